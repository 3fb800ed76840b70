/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Directories (Documentation/filesystems/ext4/directory.rst): one block, or a hash tree. */
#include <stdint.h>

#include "banger-imaged/ext4_data.h"
#include "banger-imaged/tree.h"
#include "common/err.h"

struct ext4_dir_params {
	uint32_t csum_seed;
	uint32_t hash_seed[4];
};

/* Write the directory's blocks; all inodes in it, and its parent's, have their numbers. Sets size
 * and `indexed` of its inode. */
int ext4_dir_write(struct ext4_data *d, const struct ext4_dir_params *params, struct node *dir,
	struct err *err);
