/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/ext4_csum.h"

#include <endian.h>
#include <ext2fs/ext2fs.h>

uint32_t ext4_csum_seed(const uint8_t uuid[16])
{
	return ext2fs_crc32c_le(~0U, uuid, 16);
}

uint32_t ext4_csum(uint32_t seed, uint32_t inode, const void *p, size_t n)
{
	uint32_t head[2] = { htole32(inode), 0 };

	return ext2fs_crc32c_le(
		ext2fs_crc32c_le(seed, (const unsigned char *)head, sizeof(head)), p, n);
}
