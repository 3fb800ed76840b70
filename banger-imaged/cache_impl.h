/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What cache.c and cache_prune.c share. */
#include <stdbool.h>

#include "banger-imaged/cache.h"

#define CACHE_BLOBS "blobs"
#define CACHE_PARTS "parts"
#define CACHE_GONE  "gone-"

struct cache {
	int dirfd;
};

/* Try for the lock of who writes a part: of the open file description, so that it ends with the
 * last fd, however that ends. False when somebody else has it. */
bool cache_lock(int fd);

/* Whether the file at `path` is still the one that `fd` is. */
bool cache_is_at(const struct cache *c, const char *path, int fd);

/* no_space when that is what `sys` says. */
int cache_failed(struct err *err, int sys, const char *what, const char *on);

/* Make the directories that are missing. */
int cache_make(const struct cache *c, struct err *err);
