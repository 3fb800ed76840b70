/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/fd_check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define BOOT_FILE_MAX (1LL << 30)
#define DISK_MAX      (1LL << 46)
#define SECTOR	      512

static int check_file(
	int fd, const char *what, int access, gid_t group, struct stat *st, struct err *err)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, st) < 0)
		return err_sys(err, ERR_bad_request, errno, "cannot look at the %s", what);
	if ((flags & (O_PATH | O_APPEND)) || (flags & O_ACCMODE) != access)
		return err_set(err, ERR_bad_request, "the %s is open for the wrong access", what);
	if (!S_ISREG(st->st_mode))
		return err_set(err, ERR_bad_request, "the %s is no regular file", what);
	/* A memfd has no name; nor should what nobody can find any more be a disk. */
	if (st->st_nlink == 0)
		return err_set(err, ERR_bad_request, "the %s has no name", what);
	if (st->st_gid != group)
		return err_set(err, ERR_bad_request, "the %s is not a file of bangerd's group %u",
			what, group);
	return 0;
}

int fd_check_boot_file(int fd, const char *what, gid_t group, struct err *err)
{
	struct stat st;

	if (check_file(fd, what, O_RDONLY, group, &st, err) < 0)
		return -1;
	if (st.st_size == 0 || st.st_size > BOOT_FILE_MAX)
		return err_set(err, ERR_bad_request, "the %s has %lld bytes: not a fitting size",
			what, (long long)st.st_size);
	if (!(st.st_mode & S_IROTH))
		return err_set(err, ERR_bad_request,
			"the %s is not readable by others (mode %04o): a VMM has a uid of its own",
			what, (unsigned)st.st_mode & 07777);
	return 0;
}

int fd_check_disk(int fd, gid_t group, struct err *err)
{
	struct stat st;

	if (check_file(fd, "disk", O_RDWR, group, &st, err) < 0)
		return -1;
	if (st.st_size == 0 || st.st_size % SECTOR != 0 || st.st_size > DISK_MAX)
		return err_set(err, ERR_bad_request, "the disk has %lld bytes: not a fitting size",
			(long long)st.st_size);
	return 0;
}
