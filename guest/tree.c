/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"

static const struct {
	const char *path, *type;
	unsigned long flags;
	const char *data;
} mounts[] = {
	{ "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "/dev", "devtmpfs", MS_NOSUID, "mode=0755" },
	{ "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=0620,ptmxmode=0666" },
	{ "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777" },
};

static const struct {
	const char *path, *target;
} links[] = {
	{ "/dev/fd", "/proc/self/fd" },
	{ "/dev/stdin", "/proc/self/fd/0" },
	{ "/dev/stdout", "/proc/self/fd/1" },
	{ "/dev/stderr", "/proc/self/fd/2" },
};

/* An initramfs without /dev/console starts us without any fd. */
static int open_console(struct err *err)
{
	int fd = open("/dev/console", O_RDWR | O_NOCTTY); /* inherited: stdio is */

	if (fd < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open /dev/console");
	for (int i = 0; i < 3; i++)
		if (fd != i && dup2(fd, i) < 0)
			return err_sys(err, ERR_operation_failed, errno, "no stdio");
	if (fd > 2)
		close(fd);
	return 0;
}

int tree_mount(int *ret_tree, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		if (mkdir(mounts[i].path, 0755) < 0 && errno != EEXIST)
			return err_sys(
				err, ERR_operation_failed, errno, "cannot make %s", mounts[i].path);
		/* devtmpfs may be there already (CONFIG_DEVTMPFS_MOUNT). */
		if (mount(mounts[i].type, mounts[i].path, mounts[i].type, mounts[i].flags,
			    mounts[i].data) < 0 &&
			errno != EBUSY)
			return err_sys(err, ERR_operation_failed, errno, "cannot mount %s",
				mounts[i].path);
	}
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (symlink(links[i].target, links[i].path) < 0 && errno != EEXIST)
			return err_sys(
				err, ERR_operation_failed, errno, "cannot make %s", links[i].path);
	if (open_console(err) < 0)
		return -1;
	*ret_tree = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret_tree < 0 ? err_sys(err, ERR_operation_failed, errno, "cannot open /") : 0;
}

/* The plain files of one directory. What is in use (the programs that run, files bound into the
 * image) lives on without its name. */
static void empty_dir(int tree, const char *name)
{
	int fd = openat(tree, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		fd_closep(&fd);
		return;
	}
	while ((e = readdir(d)))
		if (e->d_type == DT_REG)
			unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
}

void tree_empty(int tree)
{
	empty_dir(tree, "modules");
	empty_dir(tree, ".");
}
