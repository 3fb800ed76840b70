/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"

/* Root's, and its group as it should be. */
static int give_to_group(int fd, gid_t group, const char *name, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || (st.st_gid != group && fchown(fd, (uid_t)-1, group) < 0) ||
		fchmod(fd, 0750) < 0)
		return err_sys(
			err, ERR_operation_failed, errno, "cannot prepare directory %s", name);
	if (st.st_uid != geteuid())
		return err_set(
			err, ERR_operation_failed, "directory %s is not root's: remove it", name);
	return 0;
}

static int make_dir(int parent, const char *name, gid_t group, int *ret, struct err *err)
{
	_cleanup_fd_ int fd = -1;

	if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
		return err_sys(err, errno == ENOSPC ? ERR_no_space : ERR_operation_failed, errno,
			"cannot make directory %s", name);
	fd = fd_open_beneath(parent, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open directory %s", name);
	if (give_to_group(fd, group, name, err) < 0)
		return -1;
	*ret = TAKE_FD(fd);
	return 0;
}

int rundir_open_all(int run_dirfd, gid_t group, int *ret, struct err *err)
{
	return make_dir(run_dirfd, "vm", group, ret, err);
}

int rundir_create(int all, vm_id vm, gid_t group, int *ret_fd, struct err *err)
{
	if (rundir_remove(all, vm, err) < 0)
		return -1;
	return make_dir(all, vm.s, group, ret_fd, err);
}

int rundir_open(int all, vm_id vm, int *ret_fd, struct err *err)
{
	int fd = fd_open_beneath(all, vm.s, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return err_sys(err, ERR_operation_failed, errno,
			"cannot open the run directory of VM %s", vm.s);
	*ret_fd = fd;
	return 0;
}

/* The name of one entry of the directory, or false when it is empty. Read anew for each, so that
 * what is removed meanwhile does not matter. */
static bool first_entry(int dirfd, char *name, size_t cap)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	bool found = false;
	struct dirent *e;

	if (!d) {
		fd_closep(&fd);
		return false;
	}
	while (!found && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			found = str_copy(name, cap, e->d_name);
	closedir(d);
	return found;
}

int rundir_remove(int all, vm_id vm, struct err *err)
{
	_cleanup_fd_ int fd = fd_open_beneath(all, vm.s, O_RDONLY | O_DIRECTORY, 0);
	char name[256];

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_sys(err, ERR_operation_failed, errno,
			"cannot open the run directory of VM %s", vm.s);
	while (first_entry(fd, name, sizeof(name)))
		if (unlinkat(fd, name, 0) < 0)
			return err_sys(err, ERR_operation_failed, errno,
				"cannot remove '%s' of VM %s", name, vm.s);
	if (unlinkat(all, vm.s, AT_REMOVEDIR) < 0)
		return err_sys(err, ERR_operation_failed, errno,
			"cannot remove the run directory of VM %s", vm.s);
	return 0;
}
