/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/frame.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "common/codec.h"
#include "common/fd.h"
#include "common/fd_pass.h"
#include "common/str.h"

_Static_assert(FRAME_FDS <= FD_PASS_MAX, "a frame has more fds than can be passed");

int frame_pair(int ret[2], struct err *err)
{
	int size = 4 * FRAME_MAX, sv[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot make a socket pair");
	for (int i = 0; i < 2; i++) {
		/* The default is enough for FRAME_MAX on stock kernels; a refusal is no failure. */
		setsockopt(sv[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		ret[i] = sv[i];
	}
	return 0;
}

static int wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, -1) < 0 && errno != EINTR ? -1 : 0;
}

int frame_send(int fd, const void *buf, size_t len, const int *fds, size_t n_fds, struct err *err)
{
	if (n_fds > FRAME_FDS)
		return err_set(err, ERR_bad_request, "%zu fds are too many for a frame", n_fds);
	while (fd_pass_send(fd, buf, len, fds, n_fds, 0) < 0) {
		if (errno == EINTR || (errno == EAGAIN && wait_for(fd, POLLOUT) == 0))
			continue;
		return err_sys(err, ERR_unavailable, errno, "cannot send to the peer");
	}
	return 0;
}

int frame_recv(int fd, void *buf, size_t cap, size_t *ret_len, int *fds, size_t *ret_n_fds,
	struct err *err)
{
	union fd_pass_control control;
	struct iovec iov = { buf, cap };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf) };
	ssize_t n;
	size_t n_fds;

	while ((n = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC)) < 0) {
		/* A peer that ended with packets of ours unread: said once, before what it sent
		 * last. */
		if (errno == EINTR || errno == ECONNRESET ||
			(errno == EAGAIN && wait_for(fd, POLLIN) == 0))
			continue;
		return err_sys(err, ERR_unavailable, errno, "cannot receive from the peer");
	}
	n_fds = fd_pass_take(&mh, fds, FRAME_FDS);
	if ((mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || n_fds > FRAME_FDS) {
		fd_close_many(fds, n_fds < FRAME_FDS ? n_fds : FRAME_FDS);
		return err_set(err, ERR_protocol, "a packet is too long or has too many fds");
	}
	*ret_len = (size_t)n;
	*ret_n_fds = n_fds;
	return 0;
}
