/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/alone.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "common/fd.h"
#include "common/log.h"

#define LOCK_NS	   20000000L
#define LOCK_TRIES 100

/* A file of each network namespace that root alone can open (mode 0200), so that nobody else can
 * lock it. What a write to it does is not done here. */
#define CLAIM "/proc/sys/net/ipv4/route/flush"

int alone_lock(int fd, const char *what, struct err *err)
{
	static const struct timespec pause = { .tv_nsec = LOCK_NS };

	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK)
			return err_sys(err, ERR_operation_failed, errno, "cannot lock %s", what);
		if (i == LOCK_TRIES)
			return err_set(err, ERR_busy, "another banger-netd has %s", what);
		nanosleep(&pause, NULL);
	}
	return 0;
}

int alone_claim(int *ret_fd, struct err *err)
{
	_cleanup_fd_ int fd = open(CLAIM, O_WRONLY | O_CLOEXEC);

	*ret_fd = -1;
	if (fd < 0) {
		log_warning("cannot see whether another banger-netd is here: %s: %s", CLAIM,
			strerror(errno));
		return 0;
	}
	if (alone_lock(fd,
		    "this network namespace, where there can be one alone: end it, or start this "
		    "one in another",
		    err) < 0)
		return -1;
	*ret_fd = TAKE_FD(fd);
	return 0;
}
