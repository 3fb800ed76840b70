/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/jail_paths.h"
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

int rundir_vmm_create(int rundir, gid_t group, struct err *err)
{
	_cleanup_fd_ int fd = -1;

	if (make_dir(rundir, JAIL_RUN_HOST, group, &fd, err) < 0)
		return -1;
	/* With the group's bit: what the VMM makes there is bangerd's group's. */
	if (fchmod(fd, 02770) < 0)
		return err_sys(
			err, ERR_operation_failed, errno, "cannot prepare the VMM's run directory");
	return 0;
}

int rundir_vmm_open(int all, vm_id vm, int *ret_fd, uid_t *ret_uid, struct err *err)
{
	_cleanup_fd_ int rundir = fd_open_beneath(all, vm.s, O_PATH | O_DIRECTORY, 0), fd = -1;
	struct stat st;

	if (rundir >= 0)
		fd = openat(rundir, JAIL_RUN_HOST, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Whatever else is there, rundir_remove() sees to it. */
	if (fd < 0)
		return 0;
	if (fstat(fd, &st) < 0)
		return err_sys(err, ERR_operation_failed, errno,
			"cannot look at the run directory of VM %s", vm.s);
	if (st.st_uid == 0)
		return 0;
	*ret_fd = TAKE_FD(fd);
	*ret_uid = st.st_uid;
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

static int remove_entries(int dirfd, char name[NAME_MAX + 1])
{
	while (first_entry(dirfd, name, NAME_MAX + 1))
		if (unlinkat(dirfd, name, 0) < 0)
			return -1;
	return 0;
}

/* A directory of root's, with files in it at most. */
static int remove_subdirectory(int dirfd, const char *name)
{
	_cleanup_fd_ int fd = fd_open_beneath(dirfd, name, O_RDONLY | O_DIRECTORY, 0);
	char inner[NAME_MAX + 1];

	/* It may be another's, and empty. */
	if (fd >= 0 && remove_entries(fd, inner) < 0)
		return -1;
	return unlinkat(dirfd, name, AT_REMOVEDIR);
}

int rundir_remove(int all, vm_id vm, struct err *err)
{
	_cleanup_fd_ int fd = -1;
	char name[NAME_MAX + 1];

	/* No directory is no run directory. */
	if (unlinkat(all, vm.s, 0) == 0 || errno == ENOENT)
		return 0;
	fd = fd_open_beneath(all, vm.s, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return err_sys(err, ERR_operation_failed, errno,
			"cannot open the run directory of VM %s", vm.s);
	while (remove_entries(fd, name) < 0)
		if (errno != EISDIR || remove_subdirectory(fd, name) < 0)
			return err_sys(err, ERR_operation_failed, errno,
				"cannot remove '%s' of VM %s", name, vm.s);
	if (unlinkat(all, vm.s, AT_REMOVEDIR) < 0)
		return err_sys(err, ERR_operation_failed, errno,
			"cannot remove the run directory of VM %s", vm.s);
	return 0;
}
