/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* One message and its fds over a SOCK_SEQPACKET or SOCK_STREAM Unix socket. */
#include <stddef.h>

#include "common/err.h"

/* A connected pair of SEQPACKET sockets, both close-on-exec, with buffers for FRAME_MAX. */
int frame_pair(int ret[2], struct err *err);

/* Send all of buf as one packet with n_fds fds (they stay the caller's). Waits for room. Fails
 * with unavailable when the peer is gone. */
int frame_send(int fd, const void *buf, size_t len, const int *fds, size_t n_fds, struct err *err);

/*
 * Receive one packet: at most cap bytes and FRAME_FDS fds, all close-on-exec, the caller's.
 * *ret_len 0 is the end of file. Fails with protocol, and closes what came, when a packet or its
 * fds were truncated; unavailable when the socket failed.
 */
int frame_recv(int fd, void *buf, size_t cap, size_t *ret_len, int *fds, size_t *ret_n_fds,
	struct err *err);
