/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The file of differences behind a copy-on-write disk: sparse, the VM's own. */
#include <stdint.h>

/* The unit of difference; sizes of disks and images are multiples of it. */
#define COW_CHUNK 4096

/* Bytes of the largest disk. */
#define COW_DISK_MAX (UINT64_C(1) << 46)

/* How large the file must be so as never to overflow: every chunk of the disk (`size` bytes, at
 * most COW_DISK_MAX) may differ, and each takes 16 bytes of metadata, in the kernel's format
 * (drivers/md/dm-snap-persistent.c). */
uint64_t cow_size(uint64_t size);
