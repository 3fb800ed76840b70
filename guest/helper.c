/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/helper.h"

#include <errno.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
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

void helper_late(int tree)
{
	struct err err = ERR_INIT;
	pid_t pid = start(tree);

	if (pid < 0)
		log_warning("cannot load the late modules: %s", strerror(errno));
	if (pid != 0)
		return;
	/* A child of process 1, which reaps it: the agent has nothing to wait for. */
	if (fork() != 0)
		_exit(0);
	if (modules_load(tree, "late", &err) < 0)
		log_warning("%s", err.msg);
	tree_empty(tree);
	_exit(0);
}
