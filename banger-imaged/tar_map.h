/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The map of a sparse file: where in it the bytes go that the archive has of it. */
#include <stdint.h>

#include "common/err.h"

struct tar_segment {
	uint64_t offset, length; /* not empty */
};

struct tar_map {
	struct tar_segment *list;
	uint32_t n, room;
	uint64_t sum; /* of all lengths */
	uint64_t end; /* of the last segment, which may be an empty one */
};

void tar_map_finish(struct tar_map *m); /* leaves an empty one */
void tar_map_reset(struct tar_map *m);	/* empty, with its room */

/* Segments come in order and do not overlap. Fails with bad_input. */
int tar_map_add(struct tar_map *m, uint64_t offset, uint64_t length, struct err *err);

/* "offset,length,…" (GNU sparse 0.1). */
int tar_map_parse(struct tar_map *m, const char *s, struct err *err);

/* Whether it is a map of a file of `size` bytes, of which the archive has `stored`. */
int tar_map_check(const struct tar_map *m, uint64_t size, uint64_t stored, struct err *err);
