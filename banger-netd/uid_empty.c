/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/uid_empty.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "banger-netd/jail.h"
#include "common/fd.h"
#include "common/str.h"

#define SECONDS_MAX 60

/* The directory, read- and searchable whatever its mode was; `fd` is O_PATH and its own. */
static int open_for_all(int fd)
{
	char path[32];

	str_format(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fchmodat(AT_FDCWD, path, 0700, 0) < 0)
		return -1;
	return openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int open_dir(int parent, const char *name)
{
	_cleanup_fd_ int fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -1 : open_for_all(fd);
}

/* What to do with a directory `name` of `parent`; `top` is the one that is to become empty. */
typedef int (*on_directory)(int top, int parent, const char *name);

/* One look through a directory: what is no directory goes. *ret_found: there was something. */
static int sweep(int top, int dirfd, on_directory f, bool *ret_found)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		fd_closep(&fd);
		return -1;
	}
	*ret_found = false;
	while (r == 0 && (e = readdir(d))) {
		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		*ret_found = true;
		r = unlinkat(dirfd, e->d_name, 0);
		if (r < 0 && errno == EISDIR)
			r = f(top, dirfd, e->d_name);
	}
	closedir(d);
	return r;
}

static int sweep_all(int top, int dirfd, on_directory f)
{
	bool found = true;

	while (found)
		if (sweep(top, dirfd, f, &found) < 0)
			return -1;
	return 0;
}

/* Move a directory up into `top`, where its turn comes: so none is too deep. */
static int lift(int top, int parent, const char *name)
{
	static unsigned counter;
	char fresh[32];
	int fd, r;

	/* Only one that may be written can get another parent (rename(2)). */
	fd = open_dir(parent, name);
	if (fd < 0)
		return -1;
	close(fd);
	do {
		str_format(fresh, sizeof(fresh), "%u", counter++);
		r = renameat2(parent, name, top, fresh, RENAME_NOREPLACE);
	} while (r < 0 && errno == EEXIST);
	return r;
}

static int remove_directory(int top, int parent, const char *name)
{
	_cleanup_fd_ int fd = open_dir(parent, name);

	if (fd < 0 || sweep_all(top, fd, lift) < 0)
		return -1;
	return unlinkat(parent, name, AT_REMOVEDIR);
}

static _Noreturn void child(uid_t uid, int dirfd)
{
	int fd;

	fd_close_all_but(&dirfd, 1);
	alarm(SECONDS_MAX);
	if (jail_drop(uid) < 0)
		_exit(1);
	fd = open_for_all(dirfd);
	_exit(fd < 0 || sweep_all(fd, fd, remove_directory) < 0);
}

int uid_empty(uid_t uid, int dirfd, struct err *err)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot fork");
	if (pid == 0)
		child(uid, dirfd);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(err, ERR_operation_failed, errno, "cannot wait for a child");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return err_set(err, ERR_operation_failed,
		"cannot empty the directory of jail uid %u: look for what is in it, of whom", uid);
}
