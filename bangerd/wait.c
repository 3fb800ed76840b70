/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/wait.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <time.h>

uint64_t wait_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

struct wait wait_ms(int cancel_fd, uint64_t ms)
{
	return (struct wait){ .cancel_fd = cancel_fd, .deadline_ms = wait_now_ms() + ms };
}

int wait_left_ms(const struct wait *w)
{
	uint64_t now = wait_now_ms();

	if (w->deadline_ms == 0)
		return -1;
	if (now >= w->deadline_ms)
		return 0;
	return w->deadline_ms - now > INT_MAX ? INT_MAX : (int)(w->deadline_ms - now);
}

bool wait_cancelled(int cancel_fd)
{
	struct pollfd p = { .fd = cancel_fd, .events = POLLIN };

	return cancel_fd >= 0 && poll(&p, 1, 0) > 0;
}

int wait_ready(int fd, short events, const struct wait *w, const char *what, struct err *err)
{
	struct pollfd p[2] = { { .fd = fd, .events = events },
		{ .fd = w->cancel_fd, .events = POLLIN } };

	for (;;) {
		int n = poll(p, 2, wait_left_ms(w));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, ERR_operation_failed, errno, "cannot poll");
		if (p[1].revents)
			return err_set(err, ERR_cancelled, "cancelled");
		if (n == 0)
			return err_set(err, ERR_timeout, "%s did not answer in time", what);
		return 0;
	}
}
