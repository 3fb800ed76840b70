/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Tar streams (v7, ustar, pax and GNU, sparse files among them) as libarchive reads them, held to
 * what an image may have. Names are bytes, whatever the locale.
 *
 * Where libarchive 3.6 reads otherwise than the formats say, and nothing can be done behind it:
 *	a name with a NUL in a pax record or a GNU header ends there (it is checked as cut);
 *	a pax time between -1 and 0 loses its sign;
 *	a link whose target stands in a pax header alone, the field of its own being empty, is
 *refused when no link came before it in the stream; global pax headers have no effect, and values
 *that are no numbers are read as far as they are; an entry of an unknown type is a plain file, as
 *POSIX wants it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "banger-imaged/flow.h"
#include "banger-imaged/image_limits.h"
#include "common/err.h"

#define TAR_PATH_MAX 4096 /* with the NUL, as PATH_MAX */

enum tar_type {
	TAR_FILE,
	TAR_HARDLINK,
	TAR_SYMLINK,
	TAR_CHAR_DEVICE,
	TAR_BLOCK_DEVICE,
	TAR_DIRECTORY,
	TAR_FIFO,
};

struct tar_xattr {
	const char *name; /* with its namespace: "security.capability" */
	const void *value;
	uint32_t size;
};

struct tar_entry {
	enum tar_type type;
	char name[TAR_PATH_MAX]; /* as stored, not empty */
	char link[TAR_PATH_MAX]; /* of hardlinks and symlinks */
	uint32_t mode;		 /* 07777 */
	uint32_t uid, gid;
	int64_t mtime;
	uint32_t mtime_ns;
	uint32_t major, minor;
	uint64_t size;	  /* of the file, holes and all */
	uint64_t stored;  /* bytes of it in the archive */
	uint64_t data_at; /* their offset in the stream (a sparse 1.0 map excluded) */
	bool sparse;
	const struct tar_xattr *xattrs; /* of Linux's namespaces, each name once */
	uint32_t n_xattrs;
};

struct tar;

/* `s` and `limits` must live as long as the reader. */
int tar_open(struct flow *s, const struct image_limits *limits, struct tar **ret, struct err *err);
void tar_close(struct tar *t); /* NULL is allowed */
static inline void tar_closep(struct tar **t)
{
	tar_close(*t);
}

/* The next entry, passing over what was not read of the one before; NULL at the end of the
 * archive (a block of zeros, or the end of the stream at a header's place). The entry is the
 * reader's and lives until the next call. Fails with bad_input, or as the flow does. */
int tar_next(struct tar *t, const struct tar_entry **ret, struct err *err);

/* The next piece of the current entry's data and where it stands in the file, ascending and within
 * its size; *ret_n 0 behind the last. */
int tar_data(
	struct tar *t, uint64_t *ret_offset, const uint8_t **ret_p, size_t *ret_n, struct err *err);

/* After tar_next() gave NULL: whether the archive's end was marked, so that nothing is missing. */
bool tar_has_end(const struct tar *t);

/* After tar_next() gave NULL: read the stream to its end (what stands behind the archive's end is
 * nobody's). */
int tar_drain(struct tar *t, struct err *err);
