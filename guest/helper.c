/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/helper.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "guest/child.h"
#include "guest/modules.h"
#include "guest/tree.h"

/* 0 in the helper, its pid in the agent, -1. The helper holds no port and no pipe. */
static pid_t start(int tree)
{
	const int keep[] = { 0, 1, 2, tree };
	pid_t pid = fork();

	if (pid == 0)
		fd_close_all_but(keep, ARRAY_SIZE(keep));
	return pid;
}

int helper_sync(int *ret_pidfd, struct err *err)
{
	pid_t pid = start(-1);
	int fd;

	if (pid == 0) {
		sync();
		_exit(0);
	}
	fd = pid < 0 ? -1 : pidfd_open(pid, 0);
	if (fd < 0) {
		err_sys(err, ERR_operation_failed, errno, "cannot start a sync");
		if (pid > 0)
			waitpid(pid, NULL, 0);
		return -1;
	}
	*ret_pidfd = fd;
	return 0;
}

static struct loop *late_loop;

static void on_late_done(struct source *s, uint32_t events)
{
	child_reap(s->fd);
	loop_close(late_loop, s);
}

void helper_late(struct loop *loop, int tree)
{
	static struct source done = { -1, on_late_done };
	struct err err = ERR_INIT;
	pid_t pid = start(tree);

	if (pid == 0) {
		const struct timespec pause = { .tv_sec = 1 };
		const struct sched_param none = { 0 };

		/* Somebody waits for the guest's first command; nobody for these. To load one takes
		 * the CPU for long, whatever it is scheduled as. */
		nanosleep(&pause, NULL);
		if (sched_setscheduler(0, SCHED_IDLE, &none) < 0)
			log_warning("cannot load modules aside: %s", strerror(errno));
		if (modules_load(tree, "late", &err) < 0)
			log_warning("%s", err.msg);
		tree_empty(tree);
		_exit(0);
	}
	late_loop = loop;
	done.fd = pid < 0 ? -1 : pidfd_open(pid, 0);
	if (done.fd < 0)
		log_warning("cannot load the late modules: %s", strerror(errno));
	else if (loop_watch(loop, &done, EPOLLIN, &err) < 0)
		log_warning("%s", err.msg);
}
