/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/fd.h"

/* AT_RECURSIVE of <linux/fcntl.h>, which <fcntl.h> excludes. */
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

int bind_open(int root, const char *name, uint64_t flags)
{
	struct open_how how = {
		.flags = O_CLOEXEC | flags,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, root, name, &how, sizeof(how));
}

bool bind_is_absence(int e)
{
	return e == ENOENT || e == ENOTDIR || e == ELOOP;
}

int bind_onto(int tree, const char *source, unsigned flags, int target, struct err *err)
{
	_cleanup_fd_ int fd = open_tree(tree, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags);

	if (fd < 0 || move_mount(fd, "", target, "",
			      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(
			err, ERR_operation_failed, errno, "cannot mount /%s in the root", source);
	return 0;
}

int bind_dir(int tree, int root, const char *name, struct err *err)
{
	_cleanup_fd_ int target = bind_open(root, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);

	if (target < 0 && bind_is_absence(errno))
		return 0;
	if (target < 0)
		return err_sys(
			err, ERR_operation_failed, errno, "cannot open /%s of the root", name);
	return bind_onto(tree, name, AT_RECURSIVE, target, err);
}

int bind_file(
	int tree, const char *source, int root, const char *target, bool *ret_done, struct err *err)
{
	_cleanup_fd_ int fd = bind_open(root, target, O_PATH);
	struct stat st;

	*ret_done = false;
	if (fd < 0 && bind_is_absence(errno))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(
			err, ERR_operation_failed, errno, "cannot open /%s of the root", target);
	if (!S_ISREG(st.st_mode))
		return 0;
	if (bind_onto(tree, source, 0, fd, err) < 0)
		return -1;
	*ret_done = true;
	return 0;
}
