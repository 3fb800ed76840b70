/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* An inode as it stands in the inode table (Documentation/filesystems/ext4/inodes.rst). */
#include <stdint.h>

#include "banger-imaged/tree.h"

#define EXT4_INODE_SIZE 256

/* All but the check sum. Numbers, links, extents and i_block are known. */
void ext4_inode_encode(const struct inode *i, uint8_t dst[EXT4_INODE_SIZE]);
