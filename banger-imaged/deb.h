/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A Debian binary package (deb(5)): an ar archive with a compressed tar of files inside. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "banger-imaged/progress.h"
#include "common/err.h"

#define DEB_EXPANDED_MAX (UINT64_C(1) << 30)
#define DEB_ENTRIES_MAX	 200000

bool deb_is(const void *p, size_t n);

/* A regular file of the package, while it is visited. */
struct deb_file {
	const char *path; /* relative, without "./" in front or ".." anywhere */
	uint64_t size;
	struct archive *archive; /* for deb_read() */
};

/* Called for each; returning -1 with err ends the walk. */
typedef int (*deb_visitor)(void *ctx, const struct deb_file *f, struct err *err);

/* Visit the regular files of the package in fd, from its beginning, in its order. Fails with
 * bad_input when it is damaged, names a path that leaves the root, expands to more than
 * DEB_EXPANDED_MAX or has more than DEB_ENTRIES_MAX entries. `progress` hears of the `size` bytes
 * of the package as they are read. */
int deb_walk(int fd, uint64_t size, deb_visitor visit, void *ctx, const struct progress *progress,
	struct err *err);

/* The whole visited file into a heap buffer (the caller frees). Fails with bad_input when it is
 * larger than `limit`. */
int deb_read(const struct deb_file *f, size_t limit, uint8_t **ret, struct err *err);
