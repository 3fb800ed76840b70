/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Catalogs, banger-catalog(5): ini files of root's that say what a short name means, and which one
 * digest it may have. Read for each request: what an operator changes is true for the next.
 *
 *   [image debian-12]                 the keys: common/proto/catalog.tbl.h
 *   reference = docker.io/library/debian:12
 *   digest = sha256:…
 *
 * Files *.conf of two directories, the host's own and the packages'. A file of the host's replaces
 * the packages' one of the same name, an entry of the host's a packages' entry. A file that is
 * broken is left out whole, and its fault is kept: a name that is in no other file could have been
 * in that one, so looking for it fails, rather than to go on to where nothing is pinned.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/types.h"

#define CATALOG_NAME_MAX   40
#define CATALOG_FILES_MAX  64 /* of one directory */
#define CATALOG_FILE_BYTES (256u << 10)
#define CATALOG_ENTRIES	   512 /* of all files */
#define CATALOG_BYTES_MAX  (UINT64_C(1) << 30)

enum catalog_kind { CATALOG_image, CATALOG_kernel };

struct catalog_entry {
	enum catalog_kind kind;
	char name[CATALOG_NAME_MAX + 1];
	text description;
	digest digest;
	text reference; /* of an image: whole, with the digest */
	text url;	/* of a kernel */
	uint64_t size;	/* of a kernel's file, bytes */
	bool preferred;
	char file[64]; /* that it is in, without its directory */
	bool vendor;   /* of the packages' directory */
	unsigned line; /* of its first key */
	unsigned seen; /* keys that were given, bits */
};

struct catalog {
	struct catalog_entry *entries;
	size_t n;
	text problems[2 * CATALOG_FILES_MAX + 2]; /* "FILE, line N: …" */
	size_t n_problems;
};

/* A directory that is missing is an empty one. Fails when memory is out, and only then; the caller
 * frees. */
int catalog_load(const char *dir, const char *vendor_dir, struct catalog **ret, struct err *err);
void catalog_free(struct catalog *c); /* NULL is allowed */
static inline void catalog_freep(struct catalog **c)
{
	catalog_free(*c);
}
#define _cleanup_catalog_ __attribute__((cleanup(catalog_freep)))

/* Whether a name could be an entry's. */
bool catalog_is_name(const char *s);

/* 1: *ret is the entry, which lives as long as `c`. 0: there is none. -1: there is none, and the
 * first broken file's fault is the error. A NULL name of a kernel is the preferred one. */
int catalog_find(const struct catalog *c, enum catalog_kind kind, const char *name,
	const struct catalog_entry **ret, struct err *err);

/* Add what `content` has; `name` is for messages, `file` for entries. All or nothing. */
int catalog_parse(struct catalog *c, const char *name, const char *file, bool vendor,
	const char *content, struct err *err);
