/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The tree, whose file contents are written already, into a whole ext4 file system. */
#include <stdint.h>

#include "banger-imaged/ext4_data.h"
#include "banger-imaged/tree.h"
#include "common/err.h"
#include "common/types.h"

/* `id` makes the file system's identity: the same content and id give the same bytes. Adds
 * /lost+found where there is none. The file system has *ret_size bytes: what its content asks for,
 * but not less than fit in `least`. The target has at least as many afterwards, and is not synced.
 */
int ext4_finish(int fd, struct tree *t, struct ext4_data *d, const digest *id, uint64_t least,
	uint64_t *ret_size, struct err *err);
