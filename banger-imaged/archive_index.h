/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Which files a plain tar archive has, and where: read once, by its headers. */
#include <stdbool.h>
#include <stdint.h>

#include "banger-imaged/image_limits.h"
#include "common/err.h"

struct archive_file {
	char *path; /* without "./" */
	uint64_t at, size;
	bool plain; /* a regular file, not sparse */
	bool twice;
};

struct archive_index {
	struct archive_file *files; /* sorted by path */
	uint32_t n;
	bool rootfs; /* a name of a root file system came first: the rest was not read */
};

/*
 * Directories are left out. `detect`: a name that is no image's but a root file system's ("usr",
 * "etc"…) ends the reading; so does one entry more than limits->archive_entries, which is an error
 * otherwise: no image has as many.
 */
int archive_index_read(struct archive_index *x, int fd, uint64_t at, uint64_t size, bool detect,
	const struct image_limits *limits, struct err *err);

/* Refuse names that lead out of an archive; with `layout`, blobs that are no plain files. */
int archive_index_check(const struct archive_index *x, bool layout, struct err *err);
void archive_index_finish(struct archive_index *x);

/* The first file whose path begins with `prefix`; NULL: none. */
const struct archive_file *archive_index_first(const struct archive_index *x, const char *prefix);

const struct archive_file *archive_index_find(const struct archive_index *x, const char *path);

/* Whether an entry of that name, at the top or below, makes an archive a root file system. */
bool archive_name_is_rootfs(const char *name);
