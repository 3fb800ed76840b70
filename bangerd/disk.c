/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/disk.h"

#include <errno.h>
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

int disk_stretch(int fd, uint64_t size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	return (uint64_t)st.st_size < size ? ftruncate(fd, (off_t)size) : 0;
}

void disk_close(struct disk *disk)
{
	fd_closep(&disk->fd);
	fd_closep(&disk->image);
}
