/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The host's side of a vsock without a guest: on the Unix socket a client says "CONNECT PORT\n",
 * hears "OK HOSTPORT\n" and is at the port, or hears the end of file where nobody listens.
 */
#include <stdbool.h>

#include "common/err.h"

/* Serve on a listening socket, which becomes its own, in the loop. */
int hybrid_start(int listen_fd, struct err *err);
/* A paused guest takes nothing and says nothing. */
int hybrid_pause(bool pause, struct err *err);
