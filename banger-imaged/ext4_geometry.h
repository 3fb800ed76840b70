/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* How large the file system is, and where its bitmaps and inode tables stand: decided when all else
 * has its place. */
#include <stdint.h>

#include "common/err.h"

struct ext4_geometry {
	uint32_t groups;
	uint32_t inodes_per_group;
	uint32_t table_blocks;			       /* of one group's inode table */
	uint64_t block_bitmaps, inode_bitmaps, tables; /* where the search for places begins */
	uint64_t end;				       /* behind all that is used */
};

/* `cursor`: the first block that is not used yet; `inodes`: how many there are; `spare`: blocks
 * that will be allocated later; `least`: not fewer blocks than whole groups of these. Fails with
 * bad_input when there are more inodes than ext4 takes. */
int ext4_geometry_decide(uint64_t cursor, uint64_t inodes, uint64_t spare, uint64_t least,
	struct ext4_geometry *ret, struct err *err);

/* The places of each group's bitmaps and table, group after group: *at begins at the geometry's
 * block_bitmaps, inode_bitmaps or tables, n is 1 or table_blocks. */
uint64_t ext4_geometry_next(uint64_t *at, uint32_t n);
