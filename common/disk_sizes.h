/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Bytes of the smallest work disk: one group of blocks, in which its journal fits. */
#include <stdint.h>

#define WORK_DISK_MIN (UINT64_C(128) << 20)

/* The largest file system that is made whole; a larger disk's grows in the guest. */
#define WORK_DISK_MAKE_MAX (UINT64_C(64) << 30)
