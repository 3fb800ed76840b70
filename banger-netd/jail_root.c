/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/jail_root.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "banger-netd/qemu_argv.h"
#include "common/fd.h"
#include "common/str.h"

static const char *const source_paths[JAIL_SOURCE__count] = {
	[JAIL_SOURCE_USR] = "/usr",
	[JAIL_SOURCE_LIB] = "/lib",
	[JAIL_SOURCE_LIB64] = "/lib64",
	[JAIL_SOURCE_LD_CACHE] = "/etc/ld.so.cache",
};

/* Where each goes, beneath the root. */
static const char *const target_paths[JAIL_SOURCE__count] = {
	[JAIL_SOURCE_USR] = "usr",
	[JAIL_SOURCE_LIB] = "lib",
	[JAIL_SOURCE_LIB64] = "lib64",
	[JAIL_SOURCE_LD_CACHE] = "etc/ld.so.cache",
	[JAIL_SOURCE_KERNEL] = QEMU_KERNEL + 1,
	[JAIL_SOURCE_INITRAMFS] = QEMU_INITRAMFS + 1,
};

/* A detached, read-only copy of the mount at `path` beneath dirfd, that mount alone. */
static int clone_mount(int dirfd, const char *path, uint64_t attributes, int *ret)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
					       MOUNT_ATTR_NODEV | attributes };
	_cleanup_fd_ int fd =
		open_tree(dirfd, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -1;
	*ret = TAKE_FD(fd);
	return 0;
}

static int open_host_source(enum jail_source i, struct jail_sources *s, struct err *err)
{
	const char *path = source_paths[i];
	struct stat st;

	if (lstat(path, &st) < 0 && errno == ENOENT && i != JAIL_SOURCE_USR)
		return 0;
	if (S_ISLNK(st.st_mode)) /* made again as a link */
		return 0;
	if (clone_mount(AT_FDCWD, path, 0, &s->fd[i]) < 0)
		return err_sys(
			err, ERR_operation_failed, errno, "cannot copy the mount of %s", path);
	return 0;
}

int jail_sources_open(
	int kernel, int initramfs, bool kvm, struct jail_sources *ret, struct err *err)
{
	_cleanup_(jail_sources_close) struct jail_sources s = JAIL_SOURCES_INIT;
	struct stat st;

	for (enum jail_source i = 0; i < JAIL_SOURCE_KERNEL; i++)
		if (open_host_source(i, &s, err) < 0)
			return -1;
	if (clone_mount(kernel, "", MOUNT_ATTR_NOEXEC, &s.fd[JAIL_SOURCE_KERNEL]) < 0 ||
		clone_mount(initramfs, "", MOUNT_ATTR_NOEXEC, &s.fd[JAIL_SOURCE_INITRAMFS]) < 0)
		return err_sys(err, ERR_operation_failed, errno,
			"cannot mount the kernel or initramfs in a jail");
	if (kvm) {
		if (stat("/dev/kvm", &st) < 0)
			return err_sys(err, ERR_unavailable, errno, "cannot find /dev/kvm");
		s.kvm = true;
		s.kvm_device = st.st_rdev;
	}
	*ret = s;
	s = (struct jail_sources)JAIL_SOURCES_INIT;
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

static int attach(const struct jail_sources *src, enum jail_source i)
{
	char link[256];
	ssize_t n;

	if (src->fd[i] >= 0) {
		bool dir = i <= JAIL_SOURCE_LIB64;

		if ((dir ? mkdir(target_paths[i], 0755) : touch(target_paths[i])) < 0)
			return -1;
		return move_mount(
			src->fd[i], "", AT_FDCWD, target_paths[i], MOVE_MOUNT_F_EMPTY_PATH);
	}
	/* Absent on the host, or a link into /usr. */
	n = source_paths[i] ? readlink(source_paths[i], link, sizeof(link) - 1) : -1;
	if (n <= 0)
		return 0;
	link[n] = '\0';
	return symlink(link, target_paths[i]);
}

static int make_device(const char *path, mode_t mode, dev_t dev, uid_t owner)
{
	if (mknodat(AT_FDCWD, path, S_IFCHR | mode, dev) < 0 || chmod(path, mode) < 0)
		return -1;
	return chown(path, owner, owner);
}

static int make_devices(const struct jail_sources *src, uid_t uid)
{
	/* Numbers from Documentation/admin-guide/devices.txt. */
	if (make_device("dev/null", 0666, makedev(1, 3), 0) < 0 ||
		make_device("dev/urandom", 0444, makedev(1, 9), 0) < 0)
		return -1;
	return src->kvm ? make_device("dev/kvm", 0600, src->kvm_device, uid) : 0;
}

const char *jail_root_enter(const char *mount_point, const struct jail_sources *src, uid_t uid)
{
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };

	umask(022);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return "making its mounts private";
	if (mount("banger-jail", mount_point, "tmpfs", MS_NOSUID | MS_NOEXEC,
		    "mode=0755,size=64k,nr_inodes=64") < 0 ||
		chdir(mount_point) < 0)
		return "mounting its root";
	if (mkdir("dev", 0755) < 0 || mkdir("etc", 0755) < 0)
		return "making its directories";
	for (enum jail_source i = 0; i < JAIL_SOURCE__count; i++)
		if (attach(src, i) < 0)
			return "mounting its files";
	if (make_devices(src, uid) < 0)
		return "making its devices";
	/* pivot_root(2): the old root ends up over the new one, and is taken away. */
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return "entering its root (is the host's root an initramfs?)";
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return "leaving the host's root";
	if (mount_setattr(AT_FDCWD, "/", 0, &read_only, sizeof(read_only)) < 0)
		return "closing its root";
	return NULL;
}
