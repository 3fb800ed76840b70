/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "banger-netd/jail.h"
#include "common/fd.h"
#include "common/str.h"

static int own = -1; /* the root of launch's own, attached nowhere */

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

/* "State:" and "Uid:" of /proc/PID/status (proc(5)): a live process, and whose? A process may hide
 * the owner of its /proc entries (prctl(2), PR_SET_DUMPABLE), but not this. */
static bool lives(const char *pid, uid_t *ret_uid)
{
	char path[288], buf[1024], *state, *uids;
	_cleanup_fd_ int fd = -1;
	ssize_t n;

	str_format(path, sizeof(path), "%s/status", pid);
	fd = procfs_open(path, O_RDONLY);
	n = fd < 0 ? -1 : fd_read_full(fd, buf, sizeof(buf) - 1);
	if (n <= 0) /* it is gone */
		return false;
	buf[n] = '\0';
	state = strstr(buf, "\nState:\t");
	uids = strstr(buf, "\nUid:\t");
	if (!state || !uids || state[8] == 'Z' || state[8] == 'X')
		return false;
	*ret_uid = (uid_t)strtoul(uids + 6, NULL, 10);
	return true;
}

int procfs_next_uid(uid_t first, uid_t end, bool *ret_found, uid_t *ret, struct err *err)
{
	int fd = procfs_open(".", O_RDONLY | O_DIRECTORY);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	uid_t best = end, uid;
	struct dirent *e;

	if (!d) {
		err_sys(err, ERR_operation_failed, errno, "cannot read /proc");
		fd_closep(&fd);
		return -1;
	}
	while (best > first && (e = readdir(d)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && lives(e->d_name, &uid) &&
			uid >= first && uid < best)
			best = uid;
	closedir(d);
	*ret_found = best < end;
	if (best < end)
		*ret = best;
	return 0;
}

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
	return procfs_next_uid(uid, uid + 1, ret, &found, err);
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
			      "/proc hides the processes of other users (hidepid, see proc(5)): "
			      "a VM could not be told from one that ended; let group 0 see them "
			      "(gid=0)");
}
