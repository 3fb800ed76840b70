/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"
#include "guest/bind.h"
#include "guest/copy.h"
#include "guest/disk.h"
#include "guest/root.h"
#include "guest/user.h"

#define WORK_DIR "/work"
#define HOME	 "home"
#define NEW	 "new" /* what becomes HOME */
#define SKEL	 "/etc/skel"

/* Of a home that the image did not have; as useradd makes them. */
#define HOME_MODE 0700

/* Opens the directory `part` of the root, or makes it in `above`. */
static int reach_part(int root, const char *part, int above, const char *name, struct err *err)
{
	int fd = bind_open(root, part, O_PATH | O_DIRECTORY);

	if (fd < 0 && errno == ENOENT && mkdirat(above, name, 0755) == 0)
		fd = bind_open(root, part, O_PATH | O_DIRECTORY);
	if (fd < 0)
		err_sys(err, ERR_operation_failed, errno, "cannot make '%s'", part);
	return fd;
}

/* The directory at an absolute path of the root, made where it is not there, with all above it.
 * Those that are missing are root's; what is mounted on the last hides it. */
static int reach(int root, const char *path, int *ret, struct err *err)
{
	_cleanup_fd_ int above = fcntl(root, F_DUPFD_CLOEXEC, 3);
	char part[PATH_MAX], name[PATH_MAX];
	size_t n = 0, from;

	while (path[n + strspn(path + n, "/")] != '\0') {
		int fd;

		from = n + strspn(path + n, "/");
		n = from + strcspn(path + from, "/");
		str_format(part, sizeof(part), "%.*s", (int)n, path);
		str_format(name, sizeof(name), "%.*s", (int)(n - from), path + from);
		fd = reach_part(root, part, above, name, err);
		if (fd < 0)
			return -1;
		fd_closep(&above);
		above = fd;
	}
	*ret = TAKE_FD(above);
	return 0;
}

/* ---- what the image has ---- */

/* The image's home of the user, or a pattern for one. */
struct pattern {
	int fd; /* -1: there is neither */
	bool skel;
};

/* A user without a home of its own has the root for one: nothing can be mounted there. */
static int check_home(int root, int home, const struct user *u, struct err *err)
{
	struct stat r, h;

	if (fstat(root, &r) < 0 || fstat(home, &h) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot look at '%s'", u->home);
	if (r.st_dev == h.st_dev && r.st_ino == h.st_ino)
		return err_set(err, ERR_bad_input,
			"user %u of the image has no home but /, where it cannot be: choose "
			"another user",
			u->uid);
	return 0;
}

static int open_pattern(int root, const struct user *u, struct pattern *ret, struct err *err)
{
	_cleanup_fd_ int fd = bind_open(root, u->home, O_RDONLY | O_DIRECTORY);
	bool skel = fd < 0 && errno == ENOENT;

	if (fd < 0 && !skel)
		return err_sys(err, ERR_operation_failed, errno, "cannot open '%s'", u->home);
	if (!skel && check_home(root, fd, u, err) < 0)
		return -1;
	if (skel)
		fd = bind_open(root, SKEL, O_RDONLY | O_DIRECTORY);
	if (fd < 0 && !bind_is_absence(errno))
		return err_sys(err, ERR_operation_failed, errno, "cannot open '%s'", SKEL);
	ret->fd = TAKE_FD(fd);
	ret->skel = skel;
	return 0;
}

/* ---- a new disk ---- */

static int fill_new(const struct pattern *p, int to, const struct user *u, struct err *err)
{
	const struct copy_owner owner = { .uid = u->uid, .gid = u->gid };

	if (p->fd < 0)
		return 0;
	if (copy_tree(p->fd, to, p->skel ? &owner : NULL, err) < 0)
		return -1;
	if (p->skel && fchmod(to, HOME_MODE) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot set a home's mode");
	return 0;
}

static int fill(const struct pattern *p, int disk, const struct user *u, struct err *err)
{
	_cleanup_fd_ int to = -1;

	if (copy_remove(disk, NEW, err) < 0)
		return -1;
	if (mkdirat(disk, NEW, HOME_MODE) == 0)
		to = openat(disk, NEW, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot make a home");
	if (fill_new(p, to, u, err) < 0)
		return -1;
	if (syncfs(disk) < 0 || renameat(disk, NEW, disk, HOME) < 0 || fsync(disk) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot finish a home");
	return 0;
}

/* ---- mounting ---- */

/* The home of the disk: what is there, or made now. It is the user's: after a change of image that
 * may be another one. */
static int open_home(
	const struct pattern *p, int disk, const struct user *u, int *ret, struct err *err)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	_cleanup_fd_ int fd = openat(disk, HOME, flags);
	struct stat st;

	if (fd < 0 && errno == ENOENT) {
		if (fill(p, disk, u, err) < 0)
			return -1;
		fd = openat(disk, HOME, flags);
	}
	if (fd < 0 || fstat(fd, &st) < 0 || (st.st_uid != u->uid && fchown(fd, u->uid, u->gid) < 0))
		return err_sys(err, ERR_operation_failed, errno, "cannot open its home");
	*ret = TAKE_FD(fd);
	return 0;
}

static int mount_home(int root, const struct user *u, const struct pattern *p, struct err *err)
{
	_cleanup_fd_ int disk = open(WORK_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_fd_ int home = -1, target = -1;

	if (disk < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open " WORK_DIR);
	if (open_home(p, disk, u, &home, err) < 0 || reach(root, u->home, &target, err) < 0)
		return -1;
	return bind_onto(disk, HOME, 0, target, err);
}

int work_mount(const char *device, const char *user, struct err *err)
{
	_cleanup_fd_ int root = open(ROOT_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct pattern p = { .fd = -1 };
	struct user u;
	int r;

	if (root < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open " ROOT_DIR);
	if (user_find_in(root, user, &u, err) < 0 || open_pattern(root, &u, &p, err) < 0)
		return -1;
	r = disk_mount(device, WORK_DIR, "work", err);
	if (r == 0)
		r = mount_home(root, &u, &p, err);
	fd_closep(&p.fd);
	/* The home keeps the disk mounted; nothing else is to be seen of it. */
	if (r == 0 && umount2(WORK_DIR, MNT_DETACH) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot leave " WORK_DIR);
	return r;
}
