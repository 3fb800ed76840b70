/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdbool.h>

#include "common/err.h"

/* A disk of the machine with an ext4 file system on it. The kernel names them in the order in which
 * the VMM was told of them: the root disk first. */
#define DISK_ROOT "/dev/vda"
#define DISK_WORK "/dev/vdb"

/* True once the device `ctx` is there; for uevent_wait(). */
bool disk_present(void *ctx);

/* Mount the device read-write on `dir`, which is made where it is not there, and grow the file
 * system to the disk's size. `what` names it in messages. */
int disk_mount(const char *device, const char *dir, const char *what, struct err *err);
