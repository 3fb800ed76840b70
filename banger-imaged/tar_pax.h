/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* pax extended header records (POSIX.1-2017 pax, "pax Extended Header"), and those that GNU tar
 * and star added. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "banger-imaged/image_limits.h"
#include "banger-imaged/tar.h"
#include "common/err.h"

struct pax {
	bool has_uid, has_gid, has_mtime, has_size, has_major, has_minor;
	uint32_t uid, gid, major, minor;
	int64_t mtime;
	uint32_t mtime_ns;
	uint64_t size;
	char *path, *link; /* NULL: not given */
	struct tar_xattr *xattrs;
	uint32_t n_xattrs;
	/* GNU sparse files */
	char *sparse_name;
	bool sparse;	       /* any GNU.sparse record came */
	uint32_t sparse_major; /* 0: the map is in the records, 1: before the data */
	bool has_sparse_size;
	uint64_t sparse_size;
	uint64_t *sparse_numbers; /* offset, length, offset, … */
	uint32_t n_sparse_numbers;
};

/* Add the n bytes of records at p to *pax. A `global` header may only set owners and times. */
int pax_parse(struct pax *pax, const uint8_t *p, size_t n, bool global,
	const struct image_limits *limits, struct err *err);
void pax_finish(struct pax *pax); /* frees and clears */

/* "-1.5" is one and a half seconds before the epoch: seconds -2, nanoseconds 500,000,000. */
bool pax_time(const char *s, size_t n, int64_t *ret_s, uint32_t *ret_ns);
