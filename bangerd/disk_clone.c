/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bangerd/disk.h"
#include "bangerd/wait.h"
#include "common/fd.h"
#include "common/str.h"

#define FILE_NAME "disk.img"

/* Between two looks at the cancel fd; some 10 ms of copying. */
#define CHUNK  (8 * 1024 * 1024)
#define BUFFER (256 * 1024)

static int clone_cost(int image, uint64_t *ret_bytes, struct err *err)
{
	struct stat st;

	if (fstat(image, &st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot look at the image");
	*ret_bytes = (uint64_t)st.st_blocks * 512;
	return 0;
}

static int copy_failed(int sys, struct err *err)
{
	return err_sys(err, sys == ENOSPC || sys == EDQUOT ? ERR_no_space : ERR_operation_failed,
		sys, "cannot copy the image to the VM's disk");
}

/* By read and write, for file systems that cannot copy_file_range() between them. */
static int copy_buffered(int from, int to, uint64_t off, uint64_t n, struct err *err)
{
	_cleanup_free_ char *buf = malloc(BUFFER);

	if (!buf)
		return copy_failed(ENOMEM, err);
	while (n > 0) {
		ssize_t r = fd_pread_full(from, buf, n < BUFFER ? (size_t)n : BUFFER, off);

		if (r < 0)
			return copy_failed(errno, err);
		if (r == 0)
			return err_set(err, ERR_operation_failed,
				"the image became shorter while it was copied");
		if (fd_pwrite_full(to, buf, (size_t)r, off) < 0)
			return copy_failed(errno, err);
		off += (uint64_t)r;
		n -= (uint64_t)r;
	}
	return 0;
}

static int copy_range(int from, int to, uint64_t off, uint64_t n, struct err *err)
{
	while (n > 0) {
		off_t in = (off_t)off, out = (off_t)off;
		ssize_t r = copy_file_range(from, &in, to, &out, (size_t)n, 0);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && errno != EXDEV && errno != EINVAL && errno != ENOSYS &&
			errno != EOPNOTSUPP)
			return copy_failed(errno, err);
		/* 0 is either the end of the file or a file system that pretends. */
		if (r <= 0)
			return copy_buffered(from, to, off, n, err);
		off += (uint64_t)r;
		n -= (uint64_t)r;
	}
	return 0;
}

/* The data of [from, end) of the image; holes stay holes. */
static int copy_data(
	const struct disk *d, uint64_t from, uint64_t end, int cancel_fd, struct err *err)
{
	while (from < end) {
		off_t data = lseek(d->image, (off_t)from, SEEK_DATA), hole;
		uint64_t n;

		if (data < 0 && errno == ENXIO)
			return 0; /* nothing but a hole up to the end */
		if (data < 0)
			return copy_failed(errno, err);
		hole = lseek(d->image, data, SEEK_HOLE);
		if (hole < 0)
			return copy_failed(errno, err);
		if ((uint64_t)data >= end)
			return 0;
		if ((uint64_t)hole > end)
			hole = (off_t)end;
		for (from = (uint64_t)data; from < (uint64_t)hole; from += n) {
			n = (uint64_t)hole - from < CHUNK ? (uint64_t)hole - from : CHUNK;
			if (wait_cancelled(cancel_fd))
				return err_set(err, ERR_cancelled, "cancelled");
			if (copy_range(d->image, d->fd, from, n, err) < 0)
				return -1;
		}
	}
	return 0;
}

static int clone_fill(struct disk *d, uint64_t image_size, struct err *err)
{
	bool linked = ioctl(d->fd, FICLONE, d->image) == 0;

	if (ftruncate(d->fd, (off_t)d->size) < 0)
		return disk_cannot_make(false, errno, err);
	if (linked) {
		fd_closep(&d->image);
		return 0;
	}
	return copy_data(d, 0, image_size < DISK_HEAD ? image_size : DISK_HEAD, -1, err);
}

static int clone_make(const struct disk_place *place, int image, struct disk *ret, struct err *err)
{
	struct disk d = { .fd = -1, .image = image, .size = place->size };
	struct stat st;

	if (fstat(image, &st) < 0) {
		err_sys(err, ERR_operation_failed, errno, "cannot look at the image");
		goto fail;
	}
	if (d.size < (uint64_t)st.st_size || d.size > INT64_MAX) {
		err_set(err, ERR_bad_request,
			"the disk size must be at least the image's, %llu bytes",
			(unsigned long long)st.st_size);
		goto fail;
	}
	d.image_size = (uint64_t)st.st_size;
	d.fd = openat(
		place->dirfd, FILE_NAME, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0660);
	if (d.fd < 0) {
		err_sys(err, errno == ENOSPC ? ERR_no_space : ERR_operation_failed, errno,
			"cannot make the VM's disk");
		goto fail;
	}
	if (clone_fill(&d, (uint64_t)st.st_size, err) < 0)
		goto fail;
	*ret = d;
	return 0;
fail:
	disk_close(&d);
	return -1;
}

static int clone_remove(const struct disk_place *place, struct err *err)
{
	return disk_unlink(place, FILE_NAME, err);
}

static int clone_look(const struct disk_place *place, struct err *err)
{
	_cleanup_fd_ int fd = -1;

	return disk_look(place, FILE_NAME, &fd, err);
}

static bool clone_fits(const struct disk_place *place)
{
	return disk_fits(place, FILE_NAME);
}

static int clone_attach(const struct disk_place *place, struct disk *d, struct err *err)
{
	if (d->fd >= 0) /* just made */
		return 0;
	if (disk_open(place, FILE_NAME, &d->fd, err) < 0)
		return -1;
	d->size = place->size;
	return 0;
}

static int clone_finish(struct disk *d, int cancel_fd, struct err *err)
{
	struct stat st;

	if (d->image < 0)
		return 0;
	if (d->image_size > DISK_HEAD && copy_data(d, DISK_HEAD, d->image_size, cancel_fd, err) < 0)
		return -1;
	/* One that is its owner's may have been cut meanwhile, which looks like a hole. */
	if (fstat(d->image, &st) < 0)
		return copy_failed(errno, err);
	if ((uint64_t)st.st_size != d->image_size)
		return err_set(err, ERR_bad_input, "the image's size changed while it was copied");
	fd_closep(&d->image);
	return 0;
}

const struct disk_ops disk_clone = {
	.kind = disk_kind_clone,
	.cost = clone_cost,
	.make = clone_make,
	.remove = clone_remove,
	.look = clone_look,
	.fits = clone_fits,
	.attach = clone_attach,
	.finish = clone_finish,
};
