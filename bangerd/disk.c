/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"

const struct disk_ops *disk_ops_of(enum disk_kind kind)
{
	switch (kind) {
	case disk_kind_clone:
		return &disk_clone;
	case disk_kind_dm:
		return &disk_dm;
	case disk_kind_auto:
	case disk_kind__count:
		break;
	}
	return NULL;
}

int disk_choose(enum disk_kind configured, bool have_dm, enum disk_kind *ret, struct err *err)
{
	if (configured == disk_kind_dm && !have_dm)
		return err_set(err, ERR_unavailable,
			"device-mapper is not there, and is configured ([image] disk): modprobe "
			"dm-snapshot, then restart the daemon, or configure auto");
	if (configured == disk_kind_auto)
		configured = have_dm ? disk_kind_dm : disk_kind_clone;
	*ret = configured;
	return 0;
}

int disk_unlink(const struct disk_place *place, const char *name, struct err *err)
{
	if (unlinkat(place->dirfd, name, 0) < 0 && errno != ENOENT)
		return err_sys(err, ERR_operation_failed, errno, "cannot remove the disk of VM %s",
			place->vm.s);
	return 0;
}

static int lost(const struct disk_place *place, const char *name, const char *how, struct err *err)
{
	return err_set(err, ERR_bad_input, "the disk of VM %s is lost: its file '%s' %s",
		place->vm.s, name, how);
}

int disk_open(const struct disk_place *place, const char *name, uint64_t least, uint64_t size,
	int *ret_fd, struct err *err)
{
	/* Whatever stands there, the opening of it waits for nobody. */
	_cleanup_fd_ int fd =
		openat(place->dirfd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return lost(place, name, "is gone", err);
	if (fd < 0 && (errno == ELOOP || errno == EISDIR || errno == ENXIO))
		return lost(place, name, "is no file", err);
	if (fd < 0 || fstat(fd, &st) < 0 || fd_set_nonblock(fd, false) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open the disk of VM %s",
			place->vm.s);
	if (!S_ISREG(st.st_mode))
		return lost(place, name, "is no file", err);
	if ((uint64_t)st.st_size < least)
		return lost(place, name, "is cut short", err);
	if ((uint64_t)st.st_size < size && ftruncate(fd, (off_t)size) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot grow the disk of VM %s",
			place->vm.s);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

void disk_close(struct disk *disk)
{
	fd_closep(&disk->fd);
	fd_closep(&disk->image);
}
