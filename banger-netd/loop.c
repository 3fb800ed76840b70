/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/str.h"

/* Others take free devices too. */
#define ATTEMPTS 64

static int configure(int loop, int file, bool read_only, uint32_t flags)
{
	const struct loop_config config = {
		.fd = (uint32_t)file,
		.info = { .lo_flags = LO_FLAGS_AUTOCLEAR | flags |
				      (read_only ? LO_FLAGS_READ_ONLY : 0) },
	};

	return ioctl(loop, LOOP_CONFIGURE, &config);
}

/* 1: somebody was quicker. */
static int try(int control, int file, bool read_only, int *ret_fd, struct err *err)
{
	_cleanup_fd_ int fd = -1;
	char path[32];
	int number = ioctl(control, LOOP_CTL_GET_FREE);

	if (number < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot get a loop device");
	str_format(path, sizeof(path), "/dev/loop%d", number);
	/* Nobody is told that a device changed which was not open for writing. */
	fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENXIO
			       ? 1
			       : err_sys(err, ERR_operation_failed, errno, "cannot open %s", path);
	if (configure(fd, file, read_only, LO_FLAGS_DIRECT_IO) < 0 &&
		(errno != EINVAL || configure(fd, file, read_only, 0) < 0))
		return errno == EBUSY ? 1
				      : err_sys(err, ERR_operation_failed, errno,
						"cannot set up %s", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int open_control(int *ret_fd, struct err *err)
{
	*ret_fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	return *ret_fd < 0 ? err_sys(err, ERR_unavailable, errno,
				     "cannot open /dev/loop-control (modprobe loop)")
			   : 0;
}

int loop_check(struct err *err)
{
	_cleanup_fd_ int control = -1;

	return open_control(&control, err);
}

int loop_attach(int file, bool read_only, int *ret_fd, dev_t *ret_dev, struct err *err)
{
	_cleanup_fd_ int control = -1, fd = -1;
	struct stat st;
	int r = 1;

	if (open_control(&control, err) < 0)
		return -1;
	for (int i = 0; r > 0 && i < ATTEMPTS; i++)
		r = try(control, file, read_only, &fd, err);
	if (r > 0)
		return err_set(err, ERR_busy, "others take every loop device");
	if (r < 0)
		return -1;
	if (fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode))
		return err_sys(err, ERR_operation_failed, errno, "a loop device is none");
	*ret_fd = TAKE_FD(fd);
	*ret_dev = st.st_rdev;
	return 0;
}
