/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/fd_check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cow.h"

#define BOOT_FILE_MAX (1LL << 30)
#define SECTOR	      512

static int check_access(int fd, const char *what, int access, struct stat *st, struct err *err)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, st) < 0)
		return err_sys(err, ERR_bad_request, errno, "cannot look at the %s", what);
	if ((flags & (O_PATH | O_APPEND)) || (flags & O_ACCMODE) != access)
		return err_set(err, ERR_bad_request, "the %s is open for the wrong access", what);
	return 0;
}

static int check_file(
	int fd, const char *what, int access, gid_t group, struct stat *st, struct err *err)
{
	if (check_access(fd, what, access, st, err) < 0)
		return -1;
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

static int check_disk_file(int fd, const char *what, gid_t group, struct stat *st, struct err *err)
{
	if (check_file(fd, what, O_RDWR, group, st, err) < 0)
		return -1;
	if (st->st_size == 0 || st->st_size % SECTOR != 0 || (uint64_t)st->st_size > COW_DISK_MAX)
		return err_set(err, ERR_bad_request, "the %s has %lld bytes: not a fitting size",
			what, (long long)st->st_size);
	return 0;
}

int fd_check_disk(int fd, gid_t group, dev_t node, struct err *err)
{
	struct stat st;

	if (check_access(fd, "disk", O_RDWR, &st, err) < 0)
		return -1;
	if (S_ISBLK(st.st_mode) && node != 0 && st.st_rdev == node)
		return 0;
	return check_disk_file(fd, "disk", group, &st, err);
}

int fd_check_work(int work, int disk, gid_t group, struct err *err)
{
	struct stat w, d;

	if (check_disk_file(work, "work disk", group, &w, err) < 0)
		return -1;
	if (fstat(disk, &d) < 0)
		return err_sys(err, ERR_bad_request, errno, "cannot look at the disk");
	if (d.st_dev == w.st_dev && d.st_ino == w.st_ino)
		return err_set(err, ERR_bad_request, "the disk and the work disk are one");
	return 0;
}

int fd_check_cow(int image, int cow, uint64_t size, gid_t group, struct err *err)
{
	struct stat i, c;

	if (check_file(image, "image", O_RDONLY, group, &i, err) < 0 ||
		check_file(cow, "file of differences", O_RDWR, group, &c, err) < 0)
		return -1;
	if (i.st_dev == c.st_dev && i.st_ino == c.st_ino)
		return err_set(
			err, ERR_bad_request, "the image and the file of differences are one");
	if (i.st_size == 0 || i.st_size % COW_CHUNK != 0 || size % COW_CHUNK != 0 ||
		size > COW_DISK_MAX || size < (uint64_t)i.st_size)
		return err_set(err, ERR_bad_request,
			"a disk of %llu bytes does not fit an image of %lld",
			(unsigned long long)size, (long long)i.st_size);
	if ((uint64_t)c.st_size != cow_size(size))
		return err_set(err, ERR_bad_request,
			"the file of differences has %lld bytes, not the %llu that a disk of %llu "
			"needs",
			(long long)c.st_size, (unsigned long long)cow_size(size),
			(unsigned long long)size);
	return 0;
}

int fd_check_new_fifo(int fd, const char *what, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot look at the %s", what);
	if (!S_ISFIFO(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1)
		return err_set(err, ERR_protocol,
			"the %s is not the FIFO that was made: somebody put another file there",
			what);
	return 0;
}
