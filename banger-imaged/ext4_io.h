/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* libext2fs's way to the target: plain reads and writes on an fd that somebody else owns, opens
 * and syncs. (Its own manager opens by path, and syncs each time.) */
#include <ext2fs/ext2fs.h>

/* Opened with the fd's number in decimal as its name. */
extern io_manager ext4_io_manager;

/* The errno of the last write that failed, 0 for none: libext2fs makes errors of its own of it. */
int ext4_io_failure(io_channel ch);
