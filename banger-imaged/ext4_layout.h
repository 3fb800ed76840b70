/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The first half of finishing: inodes get their numbers, and all that is a block of its own (long
 * symlinks, directories, extent trees) is written behind the files. */
#include <stdint.h>

#include "banger-imaged/ext4_data.h"
#include "banger-imaged/ext4_dir.h"
#include "banger-imaged/tree.h"
#include "common/err.h"

struct ext4_layout {
	struct inode **inodes; /* by number; NULL below EXT4_FIRST_INODE, save the root */
	uint32_t last;	       /* the highest number */
	uint32_t n_xattr;      /* inodes with xattrs */
};

int ext4_layout_write(struct tree *t, struct ext4_data *d, const struct ext4_dir_params *params,
	struct ext4_layout *ret, struct err *err);
void ext4_layout_finish(struct ext4_layout *l);
