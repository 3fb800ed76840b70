/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The initramfs of guests: an uncompressed "newc" cpio (Documentation/driver-api/early-userspace/
 * buffer-format.rst) with banger's init and agent, and the kernel's modules in load order:
 *
 *   /dev /proc /sys /run /newroot /modules   directories
 *   /dev/console /dev/null                   nodes, for what runs before devtmpfs is mounted
 *   /init /agent                             the guest programs, 0755
 *   /modules/NNN-name.ko                     NNN counts from 000
 *   /modules/order                           which of them load when (modules_order.h)
 *
 * The same input gives the same bytes.
 */
#include <stdint.h>

#include "banger-imaged/modules.h"
#include "common/err.h"

#define INITRAMFS_PROGRAM_MAX (64U << 20)
#define INITRAMFS_MAX	      (512U << 20)

/* Write one to `fd`, from its beginning, with the modules of m->order (none: no order file). */
int initramfs_write(int fd, int init_fd, int agent_fd, const struct modules *m, uint64_t *ret_size,
	struct err *err);

/* Copy the initramfs in old_fd to `fd` with /init and /agent replaced, and
 * its /modules/order as it would be made now. Fails with bad_input when
 * the old one is not of the form above. */
int initramfs_refresh(
	int fd, int old_fd, int init_fd, int agent_fd, uint64_t *ret_size, struct err *err);
