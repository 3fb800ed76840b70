/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* File descriptors that go along with bytes over a Unix socket (unix(7), SCM_RIGHTS). */
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#define FD_PASS_MAX 8

/* Room for what control messages bring, with FD_PASS_MAX fds. */
union fd_pass_control {
	char buf[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
	struct cmsghdr align;
};

/* One sendmsg(2), SIGPIPE never: the fds (at most FD_PASS_MAX; they stay the caller's) with the
 * first byte. What was sent, or -1 with errno. */
ssize_t fd_pass_send(int sock, const void *p, size_t len, const int *fds, size_t n_fds, int flags);

/* The fds that came with a message into fds[cap]; what is beyond is closed. How many came, those
 * that were closed included; those that the kernel dropped (MSG_CTRUNC) are not among them. */
size_t fd_pass_take(struct msghdr *mh, int *fds, size_t cap);
