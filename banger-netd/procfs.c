/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "banger-netd/jail.h"
#include "banger-netd/uid_kill.h"
#include "common/fd.h"
#include "common/str.h"

static int own = -1; /* the root of launch's own, attached nowhere */

static int make(void)
{
	_cleanup_fd_ int fs = fsopen("proc", FSOPEN_CLOEXEC);

	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return fsmount(fs, FSMOUNT_CLOEXEC, 0);
}

/* A child that is of the uid, and waits. */
static _Noreturn void be_seen(uid_t uid, int ready)
{
	const char well = 1;

	if (jail_drop(uid) < 0 || write(ready, &well, 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static int look_for_child(uid_t uid, int ready, bool *ret, struct err *err)
{
	uid_t found;
	char well;

	if (fd_read_full(ready, &well, 1) != 1)
		return err_set(err, ERR_operation_failed, "cannot act as jail uid %u", uid);
	return uid_next(uid, uid + 1, ret, &found, err);
}

static int sees(uid_t uid, bool *ret, struct err *err)
{
	int p[2], r;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot make a pipe");
	pid = fork();
	if (pid == 0)
		be_seen(uid, p[1]);
	fd_closep(&p[1]);
	r = pid < 0 ? err_sys(err, ERR_operation_failed, errno, "cannot fork")
		    : look_for_child(uid, p[0], ret, err);
	fd_closep(&p[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return r;
}

int procfs_begin(uid_t uid, struct err *err)
{
	bool seen = false;

	own = make();
	if (sees(uid, &seen, err) < 0)
		return -1;
	return seen ? 0
		    : err_set(err, ERR_unavailable,
			      "/proc hides the processes of other users (hidepid, see proc(5)): a "
			      "VM "
			      "could not be told from one that ended; let group 0 see them "
			      "(gid=0)");
}

int procfs_open(const char *path, int flags)
{
	char full[320];

	if (own >= 0)
		return openat(own, path, flags | O_CLOEXEC);
	if (!str_format(full, sizeof(full), "/proc/%s", path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(full, flags | O_CLOEXEC);
}
