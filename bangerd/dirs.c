/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/dirs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"

#define BACKLOG 256

static int open_dir(
	const char *path, mode_t mode, int *ret_fd, struct stat *ret_st, struct err *err)
{
	_cleanup_fd_ int fd = -1;

	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return err_sys(err, ERR_operation_failed, errno, "cannot make %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, ret_st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open %s", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* A new file system's lost+found does not count, nor where files are staged. */
static int is_empty(int dirfd, bool *ret, struct err *err)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	bool empty = true;

	if (!d) {
		err_sys(err, ERR_operation_failed, errno, "cannot read the state directory");
		fd_closep(&fd);
		return -1;
	}
	while ((e = readdir(d)))
		empty = empty &&
			(str_eq(e->d_name, ".") || str_eq(e->d_name, "..") ||
				str_eq(e->d_name, "lost+found") || str_eq(e->d_name, "staging"));
	closedir(d);
	*ret = empty;
	return 0;
}

int dirs_open_state(const char *path, uid_t uid, gid_t gid, int *ret_fd, struct err *err)
{
	_cleanup_fd_ int fd = -1;
	struct stat st;
	bool empty;

	if (open_dir(path, 0700, &fd, &st, err) < 0)
		return -1;
	if (st.st_uid != uid) {
		if (is_empty(fd, &empty, err) < 0)
			return -1;
		if (st.st_uid != 0 || !empty)
			return err_set(err, ERR_operation_failed,
				"%s is uid %u's and not empty: it cannot be the state directory",
				path, (unsigned)st.st_uid);
	}
	if (fchown(fd, uid, gid) < 0 || fchmod(fd, 0700) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot take over %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(err, ERR_busy, "%s is in use: another bangerd is running", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int dirs_open_caches(int state_fd, uid_t uid, gid_t gid, int *ret_fd, struct err *err)
{
	_cleanup_fd_ int fd = -1;
	struct stat st;

	if (mkdirat(state_fd, "cache", 0700) < 0 && errno != EEXIST)
		return err_sys(err, ERR_operation_failed, errno, "cannot make the blob caches");
	fd = fd_open_beneath(state_fd, "cache", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open the blob caches");
	if (st.st_uid != uid && (fchown(fd, uid, gid) < 0 || fchmod(fd, 0700) < 0))
		return err_sys(
			err, ERR_operation_failed, errno, "cannot hand the blob caches over");
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int dirs_make_run(const char *path, gid_t gid, struct err *err)
{
	_cleanup_fd_ int fd = -1;
	struct stat st;

	if (open_dir(path, 0755, &fd, &st, err) < 0)
		return -1;
	if (st.st_uid != 0)
		return err_set(err, ERR_operation_failed, "%s must be root's, it is uid %u's", path,
			(unsigned)st.st_uid);
	if (fchown(fd, 0, gid) < 0 || fchmod(fd, 01775) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot set up %s", path);
	return 0;
}

static bool is_served(const struct sockaddr_un *addr)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* EAGAIN: somebody listens, and is busy. */
	return fd >= 0 &&
	       (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno == EAGAIN);
}

/* Born with its mode, 0666. */
static int bind_for_all(int fd, const struct sockaddr_un *addr)
{
	mode_t old = umask(0111);
	int r = bind(fd, (const struct sockaddr *)addr, sizeof(*addr));

	umask(old);
	return r;
}

int dirs_listen(const char *path, uid_t uid, gid_t gid, int *ret_fd, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_fd_ int fd = -1;

	if (!str_copy(addr.sun_path, sizeof(addr.sun_path), path))
		return err_set(err, ERR_bad_request,
			"%s is too long for a socket's name: choose a shorter run_dir", path);
	if (is_served(&addr))
		return err_set(err, ERR_busy, "a daemon listens on %s already", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(err, ERR_operation_failed, errno, "cannot replace %s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Its owner last: who has it can put something else in its place, a link for chmod(2). */
	if (fd < 0 || bind_for_all(fd, &addr) < 0 || lchown(path, uid, gid) < 0 ||
		listen(fd, BACKLOG) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot listen on %s", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int dirs_open_below(int state_fd, const char *name, int *ret_fd, struct err *err)
{
	int fd;

	if (mkdirat(state_fd, name, 0700) < 0 && errno != EEXIST)
		return err_sys(
			err, ERR_operation_failed, errno, "cannot make state directory %s", name);
	fd = fd_open_beneath(state_fd, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return err_sys(
			err, ERR_operation_failed, errno, "cannot open state directory %s", name);
	*ret_fd = fd;
	return 0;
}

int dirs_empty_below(int state_fd, const char *name, bool *ret, struct err *err)
{
	_cleanup_fd_ int fd = fd_open_beneath(state_fd, name, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0 && errno != ENOENT)
		return err_sys(
			err, ERR_operation_failed, errno, "cannot open state directory %s", name);
	if (fd >= 0)
		return is_empty(fd, ret, err);
	*ret = true;
	return 0;
}
