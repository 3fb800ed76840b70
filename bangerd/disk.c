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

static const char *work(const struct disk_place *place)
{
	return place->work ? "work " : "";
}

static int failed(const struct disk_place *place, const char *what, struct err *err)
{
	int sys = errno;

	return err_sys(err, sys == ENOSPC || sys == EDQUOT ? ERR_no_space : ERR_operation_failed,
		sys, "cannot %s the %sdisk of VM %s", what, work(place), place->vm.s);
}

int disk_lost(const struct disk_place *place, const char *name, const char *how, struct err *err)
{
	return err_set(err, ERR_bad_input, "the %sdisk of VM %s is lost: its file '%s' %s",
		work(place), place->vm.s, name, how);
}

int disk_unlink(const struct disk_place *place, const char *name, struct err *err)
{
	if (unlinkat(place->dirfd, name, 0) < 0 && errno != ENOENT)
		return failed(place, "remove", err);
	return 0;
}

int disk_look(const struct disk_place *place, const char *name, int *ret_fd, struct err *err)
{
	/* Whatever stands there, the opening of it waits for nobody. */
	_cleanup_fd_ int fd =
		openat(place->dirfd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	uint64_t least = place->made > place->least ? place->made : place->least;
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return disk_lost(place, name, "is gone", err);
	if (fd < 0 && (errno == ELOOP || errno == EISDIR || errno == ENXIO))
		return disk_lost(place, name, "is no file", err);
	if (fd < 0 || fstat(fd, &st) < 0 || fd_set_nonblock(fd, false) < 0)
		return failed(place, "open", err);
	if (!S_ISREG(st.st_mode))
		return disk_lost(place, name, "is no file", err);
	if ((uint64_t)st.st_size < least)
		return disk_lost(place, name, "is cut short", err);
	/* Somebody made one of that size, or punched all of it out. */
	if (place->made > 0 && !fd_has_data(fd))
		return disk_lost(place, name, "has nothing in it any more", err);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int disk_cannot_make(bool work, int sys, struct err *err)
{
	if (sys == EFBIG)
		return err_set(err, ERR_bad_request,
			"the %s disk cannot be that large: the file system of state_dir has no "
			"files of that size; ask for less (%s)",
			work ? "work" : "root", work ? "--disk-size" : "--system-overlay-size");
	return err_sys(err, sys == ENOSPC || sys == EDQUOT ? ERR_no_space : ERR_operation_failed,
		sys, "cannot make the VM's %s disk", work ? "work" : "root");
}

/* It is as it was: who asked for more may take that back. */
static int too_large(const struct disk_place *place, struct err *err)
{
	return err_set(err, ERR_bad_request,
		"the %sdisk of VM %s cannot grow to what it is set to: the file system of "
		"state_dir "
		"has no files of that size; banger vm set %s takes a smaller one",
		work(place), place->vm.s, place->work ? "--disk-size" : "--system-overlay-size");
}

int disk_open(const struct disk_place *place, const char *name, int *ret_fd, struct err *err)
{
	_cleanup_fd_ int fd = -1;
	struct stat st;

	if (disk_look(place, name, &fd, err) < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return failed(place, "open", err);
	if ((uint64_t)st.st_size < place->size && ftruncate(fd, (off_t)place->size) < 0)
		return errno == EFBIG ? too_large(place, err) : failed(place, "grow", err);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

bool disk_fits(const struct disk_place *place, const char *name)
{
	struct stat st;

	return fstatat(place->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_size <= place->size;
}

void disk_close(struct disk *disk)
{
	fd_closep(&disk->fd);
	fd_closep(&disk->image);
}
