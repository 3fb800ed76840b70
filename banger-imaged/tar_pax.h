/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What extended headers say of the entry that follows them: pax records (POSIX.1-2017, pax,
 * "pax Extended Header"), GNU's long names, and the records that GNU tar, star and libarchive add.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "banger-imaged/tar_map.h"
#include "common/err.h"

#define TAR_PAX_MAX    (1U << 20) /* bytes of one header's records */
#define TAR_PAX_XATTRS 256

/* A string in the text: its NUL is there, and may not be the only one. n SIZE_MAX: there is none.
 */
struct tar_span {
	size_t at, n;
};

struct tar_extended {
	uint8_t *text; /* all headers of the entry, one behind the other */
	size_t n, room;

	struct tar_span path, link;	      /* of pax */
	struct tar_span long_name, long_link; /* of GNU */
	struct tar_span sparse_name, acl_access, acl_default;
	bool has_size, has_uid, has_gid, has_mtime, has_sparse_size, has_map, has_offset;
	uint64_t size, uid, gid;
	int64_t mtime;
	uint32_t mtime_ns;
	uint64_t sparse_major, sparse_minor, sparse_size, offset;
	struct tar_map map; /* of 0.0 and 0.1 */
	struct {
		struct tar_span name, value;
	} xattrs[TAR_PAX_XATTRS];
	uint32_t n_xattrs;
};

void tar_extended_reset(struct tar_extended *x); /* nothing said; keeps its memory */
void tar_extended_finish(struct tar_extended *x);

/* Room for n bytes (and a NUL) at the end of the text, which the caller fills. */
int tar_extended_room(struct tar_extended *x, size_t n, uint8_t **ret, struct err *err);

/* The n bytes behind the text are records: take them in. */
int tar_extended_records(struct tar_extended *x, size_t n, struct err *err);

/* They are a long name or link. */
int tar_extended_long(struct tar_extended *x, size_t n, bool link, struct err *err);

static inline bool tar_span_is(struct tar_span s)
{
	return s.n != SIZE_MAX;
}

static inline const char *tar_span_text(const struct tar_extended *x, struct tar_span s)
{
	return (const char *)x->text + s.at;
}
