/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/uevent.h"

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd.h"
#include "guest/clock.h"

int uevent_open(int *ret_fd, struct err *err)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	_cleanup_fd_ int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot listen to the kernel");
	*ret_fd = TAKE_FD(fd);
	return 0;
}

bool uevent_wait(int fd, bool (*found)(void *ctx), void *ctx, int timeout_ms)
{
	uint64_t now, end = clock_ms() + (uint64_t)timeout_ms;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char buf[8192];

	/* Events are emptied before the question, so that one that comes after it wakes us. */
	for (;;) {
		while (recv(fd, buf, sizeof(buf), 0) > 0)
			;
		if (found(ctx))
			return true;
		now = clock_ms();
		if (now >= end)
			return false;
		poll(&p, 1, (int)(end - now));
	}
}
