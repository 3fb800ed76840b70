/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/cow.h"

#define ENTRIES (COW_CHUNK / 16)

uint64_t cow_size(uint64_t size)
{
	uint64_t chunks = (size + COW_CHUNK - 1) / COW_CHUNK;

	/* The header; a chunk of metadata for each area of data, the last one begun; and as many
	 * chunks as one area has to spare, since the kernel calls a disk full a little early. */
	return (chunks + chunks / ENTRIES + 2 + ENTRIES) * COW_CHUNK;
}
