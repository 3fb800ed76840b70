/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Check sums of ext4 metadata blocks (Documentation/filesystems/ext4/checksums.rst): crc32c over
 * the file system's uuid, the inode's number and generation (ours are 0), and the block. */
#include <stddef.h>
#include <stdint.h>

/* What all check sums of a file system begin with. */
uint32_t ext4_csum_seed(const uint8_t uuid[16]);

uint32_t ext4_csum(uint32_t seed, uint32_t inode, const void *p, size_t n);
