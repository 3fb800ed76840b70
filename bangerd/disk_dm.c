/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "bangerd/disk.h"
#include "common/cow.h"
#include "common/fd.h"
#include "common/proto_netd.h"

#define FILE_NAME "disk.cow"

/* The file's map, and the first chunks. */
#define COST (1024 * 1024)

static int dm_cost(int image, uint64_t *ret_bytes, struct err *err)
{
	*ret_bytes = COST;
	return 0;
}

static int dm_make(const struct disk_place *place, int image, struct disk *ret, struct err *err)
{
	_cleanup_fd_ int fd = openat(
		place->dirfd, FILE_NAME, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0660);

	if (fd < 0 || ftruncate(fd, (off_t)cow_size(place->size)) < 0) {
		disk_cannot_make(false, errno, err);
		fd_closep(&image);
		return -1;
	}
	*ret = (struct disk){ .fd = -1, .image = image, .size = place->size };
	return 0;
}

static int dm_remove(const struct disk_place *place, struct err *err)
{
	return disk_unlink(place, FILE_NAME, err);
}

/* The same of the file of differences. */
static struct disk_place cow_place(const struct disk_place *place)
{
	struct disk_place file = *place;

	file.size = cow_size(place->size);
	file.least = place->least > 0 ? cow_size(place->least) : 0;
	file.made = place->made > 0 ? cow_size(place->made) : 0;
	return file;
}

static int dm_look(const struct disk_place *place, struct err *err)
{
	const struct disk_place file = cow_place(place);
	_cleanup_fd_ int fd = -1;
	const char *broken;

	if (disk_look(&file, FILE_NAME, &fd, err) < 0)
		return -1;
	if (cow_look(fd, place->made > 0, &broken) < 0)
		return err_sys(err, ERR_operation_failed, errno,
			"cannot read the differences of VM %s", place->vm.s);
	return broken ? disk_lost(place, FILE_NAME, broken, err) : 0;
}

static bool dm_fits(const struct disk_place *place)
{
	const struct disk_place file = cow_place(place);

	return disk_fits(&file, FILE_NAME);
}

static int dm_attach(const struct disk_place *place, struct disk *d, struct err *err)
{
	struct netd_disk_attach_in in = { .vm = place->vm, .size = place->size, .image = d->image };
	struct netd_disk_attach_out out;
	const struct disk_place file = cow_place(place);
	_cleanup_fd_ int cow = -1;

	if (disk_open(&file, FILE_NAME, &cow, err) < 0)
		return -1;
	in.cow = cow;
	if (netd_disk_attach(place->netd, &in, &out, err) < 0)
		return -1;
	d->fd = out.disk;
	d->size = place->size;
	return 0;
}

static int dm_finish(struct disk *d, int cancel_fd, struct err *err)
{
	fd_closep(&d->image);
	return 0;
}

const struct disk_ops disk_dm = {
	.kind = disk_kind_dm,
	.on_image = true,
	.cost = dm_cost,
	.make = dm_make,
	.remove = dm_remove,
	.look = dm_look,
	.fits = dm_fits,
	.attach = dm_attach,
	.finish = dm_finish,
};
