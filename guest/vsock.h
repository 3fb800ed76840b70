/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdint.h>

#include "common/err.h"

/* The guest's end of a vsock device: what the host connects to (common/agent_ports.h). */

/* A listening stream socket on `port`, O_NONBLOCK. */
int vsock_listen(uint32_t port, int *ret_fd, struct err *err);

/* The next connection of the host's, O_NONBLOCK. -1 with errno: EAGAIN when there is none now,
 * EPERM when it was not the host's (a process of the guest can come by the loopback) and is closed.
 */
int vsock_accept(int listener);
