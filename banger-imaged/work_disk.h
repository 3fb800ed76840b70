/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A VM's second disk: an ext4 file system with nothing in it but /lost+found. */
#include <stdint.h>

#include "common/err.h"

/* `fd` is a file of `size` bytes of zeros, open for reading and writing; it keeps its size and is
 * not synced. The file system is as large, or WORK_DISK_MAKE_MAX: what is behind is for it to grow.
 * Fails with bad_input when `size` is below WORK_DISK_MIN (common/disk_sizes.h). */
int work_disk_make(int fd, uint64_t size, struct err *err);
