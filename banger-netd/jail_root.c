/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/jail_root.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"

/* A detached copy of the mount at `path` beneath dirfd, that mount alone. */
static int clone_mount(int dirfd, const char *path, uint64_t attributes, int *ret)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | attributes };
	_cleanup_fd_ int fd =
		open_tree(dirfd, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -1;
	*ret = TAKE_FD(fd);
	return 0;
}

static int open_host_source(const char *path, int *ret, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		if (errno == ENOENT) /* as /lib64 elsewhere */
			return 0;
		return err_sys(err, ERR_operation_failed, errno, "cannot look at %s", path);
	}
	if (S_ISLNK(st.st_mode)) /* made again as a link */
		return 0;
	if (clone_mount(AT_FDCWD, path, MOUNT_ATTR_RDONLY, ret) < 0)
		return err_sys(
			err, ERR_operation_failed, errno, "cannot copy the mount of %s", path);
	return 0;
}

static int open_source(const struct jail_item *item, const int *files, int *ret, struct err *err)
{
	uint64_t attributes = MOUNT_ATTR_NOEXEC;
	struct stat st;

	if (item->kind == JAIL_HOST)
		return open_host_source(item->path, ret, err);
	if (item->kind != JAIL_READ && item->kind != JAIL_WRITE)
		return 0;
	if (item->kind == JAIL_READ)
		attributes |= MOUNT_ATTR_RDONLY;
	if (fstat(files[item->file], &st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot look at the VM's %s",
			item->path + 1);
	if (S_ISBLK(st.st_mode)) { /* made again as a node */
		*ret = fcntl(files[item->file], F_DUPFD_CLOEXEC, 3);
		return *ret < 0 ? err_sys(err, ERR_operation_failed, errno, "cannot copy an fd")
				: 0;
	}
	if (clone_mount(files[item->file], "", attributes, ret) < 0)
		return err_sys(err, ERR_operation_failed, errno,
			"cannot mount the VM's %s in its jail", item->path + 1);
	return 0;
}

static bool is_in(const struct jail_item *item, unsigned with)
{
	return (item->needs & ~with) == 0;
}

int jail_sources_open(const struct jail_layout *layout, unsigned with,
	const int files[JAIL_FILE__count], struct jail_sources *ret, struct err *err)
{
	_cleanup_(jail_sources_close) struct jail_sources s;

	for (size_t i = 0; i < JAIL_ITEMS_MAX; i++)
		s.fd[i] = -1;
	for (size_t i = 0; i < layout->n; i++)
		if (is_in(&layout->items[i], with) &&
			open_source(&layout->items[i], files, &s.fd[i], err) < 0)
			return -1;
	*ret = s;
	for (size_t i = 0; i < JAIL_ITEMS_MAX; i++)
		s.fd[i] = -1;
	return 0;
}

void jail_sources_close(struct jail_sources *s)
{
	fd_close_many(s->fd, ARRAY_SIZE(s->fd));
}

static int touch(const char *path)
{
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);

	return fd < 0 ? -1 : 0;
}

/* A block device: the jail's own node, the VMM's alone. The host's may be changed by udev. */
static int make_block(dev_t dev, const char *target, uid_t uid)
{
	if (mknodat(AT_FDCWD, target, S_IFBLK | 0600, dev) < 0 || chmod(target, 0600) < 0)
		return -1;
	return chown(target, uid, uid);
}

static int attach(int source, const char *target, uid_t uid)
{
	struct stat st;

	if (fstat(source, &st) < 0)
		return -1;
	if (S_ISBLK(st.st_mode))
		return make_block(st.st_rdev, target, uid);
	if ((S_ISDIR(st.st_mode) ? mkdir(target, 0755) : touch(target)) < 0)
		return -1;
	return move_mount(source, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH);
}

/* What is absent on the host, or a link into /usr. */
static int copy_link(const char *path)
{
	char link[256];
	ssize_t n = readlink(path, link, sizeof(link) - 1);

	if (n < 0 && errno == ENOENT)
		return 0;
	if (n <= 0)
		return -1;
	link[n] = '\0';
	return symlink(link, path + 1);
}

static int make_node(const struct jail_item *item, uid_t uid)
{
	bool owned = item->kind == JAIL_OWNED_NODE;
	const char *path = item->path + 1;
	mode_t mode = owned ? 0600 : 0666;

	if (mknodat(AT_FDCWD, path, S_IFCHR | mode, makedev(item->major, item->minor)) < 0 ||
		chmod(path, mode) < 0)
		return -1;
	return owned ? chown(path, uid, uid) : 0;
}

/* The working directory is the new root; "/" is the host's still. */
static int make_item(const struct jail_item *item, int source, uid_t uid)
{
	switch (item->kind) {
	case JAIL_DIR:
		return mkdir(item->path + 1, 0755);
	case JAIL_HOST:
		return source < 0 ? copy_link(item->path) : attach(source, item->path + 1, uid);
	case JAIL_READ:
	case JAIL_WRITE:
		return attach(source, item->path + 1, uid);
	case JAIL_NODE:
	case JAIL_OWNED_NODE:
		return make_node(item, uid);
	}
	errno = EINVAL;
	return -1;
}

const char *jail_root_enter(const char *mount_point, const struct jail_layout *layout,
	unsigned with, const struct jail_sources *src, uid_t uid)
{
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };

	umask(022);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return "making its mounts private";
	if (mount("banger-jail", mount_point, "tmpfs", MS_NOSUID | MS_NOEXEC,
		    "mode=0755,size=64k,nr_inodes=64") < 0 ||
		chdir(mount_point) < 0)
		return "mounting its root";
	for (size_t i = 0; i < layout->n; i++)
		if (is_in(&layout->items[i], with) &&
			make_item(&layout->items[i], src->fd[i], uid) < 0)
			return "making its files";
	/* pivot_root(2): the old root ends up over the new one, and is taken away. */
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return "entering its root (is the host's root an initramfs?)";
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return "leaving the host's root";
	if (mount_setattr(AT_FDCWD, "/", 0, &read_only, sizeof(read_only)) < 0)
		return "closing its root";
	return NULL;
}
