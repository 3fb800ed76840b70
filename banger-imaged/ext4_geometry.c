/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/ext4_geometry.h"

#include "banger-imaged/ext4_place.h"

#define INODE_SIZE	 256U
#define INODES_PER_BLOCK (EXT4_BLOCK / INODE_SIZE)
/* mke2fs' usual density: room for what a user adds, also after growing. */
#define INODES_MIN 8192U
#define INODES_MAX 32768U /* an inode bitmap is one block */
/* Free after the import, beside a sixteenth of the content: the file system is made to be grown,
 * but must be usable before. */
#define RESERVE_BLOCKS 4096U
#define GROUPS_MAX     (EXT4_DESCRIPTOR_BLOCKS * 64U)

uint64_t ext4_geometry_next(uint64_t *at, uint32_t n)
{
	uint64_t block = ext4_place(*at, n);

	*at = block + n;
	return block;
}

static uint64_t pass(uint64_t at, uint32_t groups, uint32_t n)
{
	for (uint32_t g = 0; g < groups; g++)
		(void)ext4_geometry_next(&at, n);
	return at;
}

int ext4_geometry_decide(uint64_t cursor, uint64_t inodes, uint64_t spare, uint64_t least,
	struct ext4_geometry *ret, struct err *err)
{
	uint64_t wanted = inodes + inodes / 16;
	uint64_t groups = cursor / EXT4_GROUP_BLOCKS + 1;
	struct ext4_geometry g = { 0 };

	if (groups < least / EXT4_GROUP_BLOCKS)
		groups = least / EXT4_GROUP_BLOCKS;
	for (; groups <= GROUPS_MAX; groups++) {
		uint64_t per_group = (wanted + groups - 1) / groups;

		per_group = per_group > INODES_MIN ? per_group : INODES_MIN;
		per_group =
			(per_group + INODES_PER_BLOCK - 1) / INODES_PER_BLOCK * INODES_PER_BLOCK;
		if (per_group > INODES_MAX)
			continue;
		g.groups = (uint32_t)groups;
		g.inodes_per_group = (uint32_t)per_group;
		g.table_blocks = g.inodes_per_group / INODES_PER_BLOCK;
		g.block_bitmaps = cursor;
		g.inode_bitmaps = pass(g.block_bitmaps, g.groups, 1);
		g.tables = pass(g.inode_bitmaps, g.groups, 1);
		g.end = pass(g.tables, g.groups, g.table_blocks);
		if (g.end + spare + cursor / 16 + RESERVE_BLOCKS <= groups * EXT4_GROUP_BLOCKS) {
			*ret = g;
			return 0;
		}
	}
	return err_set(err, ERR_bad_input, "the image is larger than banger makes file systems");
}
