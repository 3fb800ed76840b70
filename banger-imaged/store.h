/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Where an image's files are: in a plain tar archive, or in a directory that the CLI serves. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "banger-imaged/image_limits.h"
#include "common/err.h"
#include "common/types.h"

struct ipc;
struct store;

/* A file: bytes [at, at + size) of the fd, which is the store's. */
struct blob {
	int fd;
	uint64_t at, size;
};

/* The archive is [at, at + size) of fd, which stays the caller's. Its entries are read once;
 * `layout` says that it is to hold an OCI layout, whose blobs must be plain files. */
int store_open_archive(int fd, uint64_t at, uint64_t size, bool layout,
	const struct image_limits *limits, struct store **ret, struct err *err);
/* `ch` speaks `source` (common/proto/source.tbl.h) and stays the caller's. */
int store_open_directory(struct ipc *ch, struct store **ret, struct err *err);
void store_close(struct store *s); /* NULL is allowed */

/* Whether a file may have to be waited for, until a fetcher has it: such are opened when it is
 * their turn. */
bool store_waits(const struct store *s);

/* A regular file by its path; not_found when there is none, bad_input when it is something else or
 * stands there twice, cancelled when cancel_fd (-1: none) becomes readable first, after which
 * nothing more can be found. */
int store_find(struct store *s, const char *path, int cancel_fd, struct blob *ret, struct err *err);

/* "blobs/sha256/…" of a digest into buf; returns it. */
#define BLOB_PATH_MAX 160
const char *store_blob_path(const digest *d, char buf[BLOB_PATH_MAX]);

/*
 * A small file as a heap string. `want` (may be NULL): its digest, checked before it is given out;
 * `size`: its size as the image says, or STORE_ANY_SIZE; *ret_digest (may be NULL) becomes its
 * sha256 when `want` is NULL.
 */
#define STORE_ANY_SIZE UINT64_MAX
int store_load(struct store *s, const char *path, const digest *want, uint64_t size,
	const struct image_limits *limits, char **ret, size_t *ret_n, digest *ret_digest,
	struct err *err);
