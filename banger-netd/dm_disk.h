/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Copy-on-write disks: one read-only base for all VMs of an image, and for each VM a snapshot
 * (Documentation/admin-guide/device-mapper/snapshot.rst) that keeps what differs in a sparse file
 * of the VM's own, in chunks of 4 KiB. The base is the image's file and zeros behind it without
 * end, so that a disk may be larger than its image.
 */
#include <stdint.h>

#include "banger-netd/dm.h"
#include "common/err.h"
#include "common/types.h"

/* The host has all that disks are made of. Fails with unavailable: what is missing. */
int dm_disk_check(const struct dm *dm, struct err *err);

/* Make the disk of a VM: `image` is open for reading, `cow` (common/cow.h) for both; the size
 * is the disk's. *ret_fd is its node, O_RDWR. On failure nothing is left. Fails with bad_input when
 * `cow` is not what an earlier attach left. */
int dm_disk_attach(const struct dm *dm, const vm_id *vm, int image, int cow, uint64_t size,
	int *ret_fd, struct err *err);

/* Take the disk away; what the last one of an image leaves, its base, goes with it. While somebody
 * has it open it goes with the last close. None is fine. */
int dm_disk_detach(const struct dm *dm, const vm_id *vm, struct err *err);

/* How much of the differences' file is in use, both in bytes. Fails with bad_input when the disk
 * is lost: the differences could not be written, or are not to be read. */
int dm_disk_usage(const struct dm *dm, const vm_id *vm, uint64_t *ret_used, uint64_t *ret_total,
	struct err *err);

/* Let all bases go with their last disk, or at once: what a crash between making one and marking it
 * left. While nothing is being attached. */
int dm_disk_tidy(const struct dm *dm, struct err *err);

/* The first VM behind `after` in id order that has a disk: 1, or 0. */
int dm_disk_next(const struct dm *dm, const vm_id *after, vm_id *ret, struct err *err);
