/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The extent tree of a file (Documentation/filesystems/ext4/ifork.rst). */
#include <stdint.h>

#include "banger-imaged/ext4_data.h"
#include "banger-imaged/tree.h"
#include "common/err.h"

/* Fill the inode's i_block (`root`); what does not fit in there goes to blocks of its own, counted
 * in `metadata`. The inode has its number. */
int ext4_extent_write(struct ext4_data *d, uint32_t seed, struct inode *i, struct err *err);
