/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The host's end of Firecracker's vsock: a Unix socket that is asked, by a line of text, for a
 * stream to a port of the guest (Firecracker docs/vsock.md).
 */
#include <stdint.h>

#include "bangerd/wait.h"
#include "common/err.h"

/*
 * Ask on fd, a fresh connection to that socket (O_NONBLOCK; stays the caller's), for the guest's
 * port. Afterwards what is read and written is the stream's: not a byte of it was read here. Fails
 * with unavailable when nobody listens there or the guest is gone, protocol, timeout (the guest's
 * kernel does not answer yet), cancelled.
 */
int hybrid_vsock_connect(int fd, uint32_t port, const struct wait *w, struct err *err);
