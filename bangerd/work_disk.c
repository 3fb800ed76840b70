/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/work_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bangerd/imaged_job.h"
#include "common/cow.h"
#include "common/disk_sizes.h"
#include "common/failpoint.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"

#define FILE_NAME "work"
#define NEW_NAME  "work.new"

int work_disk_check(uint64_t size, struct err *err)
{
	if (size < WORK_DISK_MIN || size > COW_DISK_MAX)
		return err_set(err, ERR_bad_request,
			"the work disk must have %llu MiB to %llu TiB (--disk-size)",
			(unsigned long long)(WORK_DISK_MIN >> 20),
			(unsigned long long)(COW_DISK_MAX >> 40));
	return 0;
}

static int failed(const vm_id *vm, const char *what, struct err *err)
{
	int sys = errno;

	return err_sys(err, sys == ENOSPC || sys == EDQUOT ? ERR_no_space : ERR_operation_failed,
		sys, "cannot %s the work disk of VM %s", what, vm->s);
}

int work_disk_look(const struct disk_place *place, struct err *err)
{
	_cleanup_fd_ int fd = -1;

	return disk_look(place, FILE_NAME, &fd, err);
}

bool work_disk_fits(const struct disk_place *place)
{
	return disk_fits(place, FILE_NAME);
}

static int make(const struct disk_place *place, int *ret, struct err *err)
{
	_cleanup_fd_ int fd = -1;

	/* What a crash left, or what is lost. */
	if (disk_unlink(place, NEW_NAME, err) < 0 || disk_unlink(place, FILE_NAME, err) < 0)
		return -1;
	fd = openat(
		place->dirfd, NEW_NAME, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0660);
	if (fd < 0 || ftruncate(fd, (off_t)place->size) < 0)
		return disk_cannot_make(true, errno, err);
	*ret = TAKE_FD(fd);
	return 0;
}

int work_disk_open(const struct disk_place *place, struct work_disk *ret, struct err *err)
{
	bool fresh = place->made == 0;
	int fd;

	if ((fresh ? make(place, &fd, err) : disk_open(place, FILE_NAME, &fd, err)) < 0)
		return -1;
	*ret = (struct work_disk){ .fd = fd, .fresh = fresh, .size = place->size };
	return 0;
}

int work_disk_made(int dirfd, const vm_id *vm, uint64_t *ret, struct err *err)
{
	struct stat st = { 0 };
	bool there = fstatat(dirfd, FILE_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0;

	if (!there && errno != ENOENT)
		return failed(vm, "look at", err);
	*ret = !there				      ? 0
	       : (uint64_t)st.st_size > WORK_DISK_MIN ? (uint64_t)st.st_size
						      : WORK_DISK_MIN;
	return 0;
}

static int format(const struct work_disk *w, struct ipc *imaged, int cancel_fd, struct err *err)
{
	const struct job_work_disk_make_in in = { .size = w->size, .target = w->fd };
	_cleanup_(imaged_job_end) struct imaged_job job = { 0 };
	struct job_work_disk_make_out out;

	if (imaged_job_begin_brief(imaged, cancel_fd, &job, err) < 0 ||
		imaged_job_call(&job, job_msg_work_disk_make, &in, &out, cancel_fd, err) < 0)
		return err->code == ERR_cancelled ? -1 : err_wrap(err, "the work disk");
	return 0;
}

static int not_written(struct err *err)
{
	int sys = errno;

	return err_sys(err, sys == ENOSPC ? ERR_no_space : ERR_operation_failed, sys,
		"cannot write the work disk");
}

int work_disk_finish(struct work_disk *w, struct ipc *imaged, int dirfd, bool durable,
	int cancel_fd, struct err *err)
{
	if (!w->fresh)
		return 0;
	if (format(w, imaged, cancel_fd, err) < 0 || FAILPOINT(work_formatted, err) < 0)
		return -1;
	if ((durable && fdatasync(w->fd) < 0) || renameat(dirfd, NEW_NAME, dirfd, FILE_NAME) < 0)
		return not_written(err);
	w->fresh = false;
	if (FAILPOINT(work_named, err) < 0)
		return -1;
	return durable && fsync(dirfd) < 0 ? not_written(err) : 0;
}

void work_disk_sweep(int dirfd, const vm_id *vm)
{
	if (unlinkat(dirfd, NEW_NAME, 0) < 0 && errno != ENOENT)
		log_warning(
			"cannot remove a half-made work disk of VM %s: %s", vm->s, strerror(errno));
}

void work_disk_close(struct work_disk *w)
{
	fd_closep(&w->fd);
}
