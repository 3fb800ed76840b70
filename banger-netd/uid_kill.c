/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/uid_kill.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "banger-netd/jail.h"
#include "banger-netd/procfs.h"
#include "common/fd.h"
#include "common/str.h"

#define ROUND_NS 5000000L
#define ROUNDS	 2000 /* ten seconds: a VMM that is inside a slow disk's write dies late */

static int await_child(pid_t pid, int *ret_status, struct err *err)
{
	while (waitpid(pid, ret_status, 0) < 0)
		if (errno != EINTR)
			return err_sys(err, ERR_operation_failed, errno, "cannot wait for a child");
	return 0;
}

/* Does the kernel count processes of the uid, zombies too? A child without room for any beside it
 * takes the uid, and then cannot execute: execve(2), EAGAIN. It costs the same on a host with
 * thousands of processes. A kernel older than 5.14 always says so. */
static int is_counted(uid_t uid, bool *ret, struct err *err)
{
	static const struct rlimit no_room = { 0, 0 };
	/* Without a name the kernel would warn in its log. */
	static char name[] = "uid-check";
	static char *const argv[] = { name, NULL }, *const nothing[] = { NULL };
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot fork");
	if (pid == 0) {
		fd_close_all_but(NULL, 0);
		if (setrlimit(RLIMIT_NPROC, &no_room) < 0 ||
			syscall(SYS_setresuid, uid, uid, uid) < 0)
			_exit(1);
		syscall(SYS_execveat, -1, "", argv, nothing, AT_EMPTY_PATH);
		_exit(errno == EAGAIN);
	}
	if (await_child(pid, &status, err) < 0)
		return -1;
	*ret = status != 0;
	return 0;
}

int uid_alive(uid_t uid, bool *ret, struct err *err)
{
	bool counted;

	if (is_counted(uid, &counted, err) < 0)
		return -1;
	if (counted)
		return procfs_next_uid(uid, uid + 1, ret, &uid, err);
	*ret = false;
	return 0;
}

/* A child takes the uid and kills all that it may: kill(2) of -1 leaves out the caller, and sees
 * every process at one moment, so that none escapes by forking. */
static int kill_all_as(uid_t uid, struct err *err)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot fork");
	if (pid == 0) {
		fd_close_all_but(NULL, 0);
		if (jail_drop(uid) < 0)
			_exit(1);
		_exit(kill(-1, SIGKILL) < 0 && errno != ESRCH);
	}
	if (await_child(pid, &status, err) < 0)
		return -1;
	/* Its fellows may kill it before it is done: then it is tried again. */
	if (WIFSIGNALED(status) || WEXITSTATUS(status) == 0)
		return 0;
	return err_set(err, ERR_operation_failed, "cannot act as jail uid %u", uid);
}

int uid_kill(uid_t uid, struct err *err)
{
	static const struct timespec round = { .tv_nsec = ROUND_NS };
	bool alive;

	if (uid == 0) /* the ledger and the configuration rule it out; so does this */
		return err_set(err, ERR_protocol, "root is no jail's uid");
	for (int i = 0; i < ROUNDS; i++) {
		if (uid_alive(uid, &alive, err) < 0)
			return -1;
		if (!alive)
			return 0;
		if (i % 16 == 0 && kill_all_as(uid, err) < 0)
			return -1;
		nanosleep(&round, NULL);
	}
	return err_set(err, ERR_timeout,
		"processes of jail uid %u do not die: look at them with ps -u %u", uid, uid);
}
