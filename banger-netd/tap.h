/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <sys/types.h>

#include "common/err.h"

/*
 * Make a TAP of that name, which goes away with the last copy of the fd (so it must not exist yet).
 * Frames carry a virtio-net header, as QEMU wants it. Fails with unavailable when the host has no
 * /dev/net/tun.
 */
int tap_open(const char *name, int *ret_fd, struct err *err);

/*
 * The same in the network namespace of `fd`, a fresh /dev/net/tun, but to stay when all fds of it
 * are closed, and for `owner` to open by name.
 */
int tap_make(int fd, const char *name, uid_t owner, struct err *err);
