/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/input.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "common/fd.h"

void input_range(struct input *in, int fd, uint64_t at, uint64_t n)
{
	*in = (struct input){ .fd = fd, .at = at, .end = at + n, .stop_fd = -1 };
}

void input_pipe(struct input *in, int fd, int stop_fd)
{
	*in = (struct input){ .fd = fd, .sequential = true, .stop_fd = stop_fd };
}

static int read_pipe(struct input *in, void *buf, size_t cap, size_t *ret_n, struct err *err)
{
	struct pollfd p[2] = { { .fd = in->fd, .events = POLLIN },
		{ .fd = in->stop_fd, .events = POLLIN } };

	for (;;) {
		ssize_t n;

		if (poll(p, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return err_sys(
				err, ERR_operation_failed, errno, "cannot wait for the input");
		}
		if (p[1].revents)
			return err_set(err, ERR_cancelled, "cancelled");
		n = read(in->fd, buf, cap);
		if (n >= 0) {
			*ret_n = (size_t)n;
			return 0;
		}
		if (errno != EINTR && errno != EAGAIN)
			return err_sys(err, ERR_operation_failed, errno, "cannot read the input");
	}
}

int input_read(struct input *in, void *buf, size_t cap, size_t *ret_n, struct err *err)
{
	size_t n = 0;

	if (in->sequential) {
		if (read_pipe(in, buf, cap, &n, err) < 0)
			return -1;
	} else if (in->at < in->end) {
		uint64_t left = in->end - in->at;
		ssize_t r = fd_pread_full(in->fd, buf, cap < left ? cap : (size_t)left, in->at);

		if (r < 0)
			return err_sys(err, ERR_operation_failed, errno, "cannot read the input");
		if (r == 0)
			return err_set(
				err, ERR_bad_input, "the input became shorter while it was read");
		n = (size_t)r;
	}
	if (n > 0 && in->hash && hash_update(in->hash, buf, n, err) < 0)
		return -1;
	in->at += n;
	*ret_n = n;
	return 0;
}
