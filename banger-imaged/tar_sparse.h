/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The maps of sparse files in tar (GNU tar manual, "Sparse Formats"). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "banger-imaged/tar.h"
#include "common/err.h"

/* A map being read: numbers in turn offset, length, … */
struct sparse_map {
	struct tar_segment *segments;
	uint32_t n, room;
};

int sparse_map_add(struct sparse_map *m, uint64_t offset, uint64_t length, struct err *err);

/* The (offset, length) pairs of an old GNU header (`first`) or of its extension block. *ret_more:
 * another extension block follows. */
int sparse_map_add_gnu(struct sparse_map *m, const uint8_t block[TAR_BLOCK], bool first,
	bool *ret_more, struct err *err);

/* Check the map against the file: ascending, apart, inside `size`, `stored` bytes in all; segments
 * without bytes are dropped. */
int sparse_map_check(struct sparse_map *m, uint64_t size, uint64_t stored, struct err *err);

/* Reads the text of a map in format 1.0 byte by byte: a count, then that many pairs, a number a
 * line. */
struct sparse_text {
	uint64_t number, count, offset;
	uint32_t digits, seen; /* seen: whole numbers */
	bool done;
};
int sparse_text_add(struct sparse_text *t, struct sparse_map *m, uint8_t c, struct err *err);
