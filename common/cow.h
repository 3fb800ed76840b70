/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The file of differences behind a copy-on-write disk: sparse, the VM's own. */
#include <stdbool.h>
#include <stdint.h>

/* The unit of difference; sizes of disks and images are multiples of it. */
#define COW_CHUNK 4096

/* Bytes of the largest disk. */
#define COW_DISK_MAX (UINT64_C(1) << 46)

/* How large the file must be so as never to overflow: every chunk of the disk (`size` bytes, at
 * most COW_DISK_MAX) may differ, and each takes 16 bytes of metadata, in the kernel's format
 * (drivers/md/dm-snap-persistent.c). */
uint64_t cow_size(uint64_t size);

/* What is wrong with how such a file begins (drivers/md/dm-snap-persistent.c), as the end of a
 * sentence about it; NULL: nothing. The kernel would take a head of zeros for a new file, whatever
 * is behind it, and the size of chunks from the head. `used`: it was in use, so it has a head; else
 * it may have none, as long as next to nothing is in it. -1 with errno when it cannot be read. */
int cow_look(int fd, bool used, const char **ret_broken);
