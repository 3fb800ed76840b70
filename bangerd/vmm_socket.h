/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The sockets in a VMM's run directory. What is there may be the work of a VMM that its guest has
 * taken over. */
#include "bangerd/vmm.h"

/*
 * Connect to the stream socket `name` (no slash) beneath the directory `dirfd`. It is opened
 * first and looked at, so that what is connected to is a socket, that one, and the VMM's own.
 * *ret_fd is O_NONBLOCK. Fails with unavailable, with busy when its backlog is full, and with
 * protocol when it is no socket or another user listens.
 */
int vmm_socket(const struct vmm *v, int dirfd, const char *name, int *ret_fd, struct err *err);
