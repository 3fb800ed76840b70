/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/ext4_place.h"

static bool is_power(uint64_t v, uint64_t base)
{
	while (v > 1 && v % base == 0)
		v /= base;
	return v == 1;
}

bool ext4_group_has_super(uint64_t group)
{
	return group <= 1 || is_power(group, 3) || is_power(group, 5) || is_power(group, 7);
}

uint64_t ext4_place(uint64_t block, uint32_t n)
{
	for (;;) {
		uint64_t group = block / EXT4_GROUP_BLOCKS;
		uint64_t next = (group + 1) * EXT4_GROUP_BLOCKS;

		if (ext4_group_has_super(group) && block % EXT4_GROUP_BLOCKS < EXT4_HEAD)
			block = group * EXT4_GROUP_BLOCKS + EXT4_HEAD;
		if (block + n <= next || !ext4_group_has_super(group + 1))
			return block;
		block = next;
	}
}
