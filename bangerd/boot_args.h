/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The kernel's command line for a guest of Firecracker. (QEMU's is banger-netd's, with the rest of
 * its arguments.) */
#include <stddef.h>

#include "common/err.h"

/* Firecracker takes 2048 bytes and puts its own behind: pci=off, root=, devices. */
#define BOOT_ARGS_MAX 1024

/* Fails with operation_failed when they do not fit. */
int boot_args(unsigned vcpus, char *dst, size_t cap, struct err *err);
