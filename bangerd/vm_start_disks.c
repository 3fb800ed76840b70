/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The disks of a start: made or opened before the VMM is, filled while its kernel boots. */
#include <errno.h>

#include "bangerd/call.h"
#include "bangerd/vm_files.h"
#include "bangerd/vm_lost.h"
#include "bangerd/vm_start_impl.h"
#include "common/disk_sizes.h"
#include "common/failpoint.h"
#include "common/fd.h"
#include "common/log.h"

bool vm_start_makes_disk(const struct start *s)
{
	return s->how->make_disk || s->vm->row.remake;
}

/* ---- disk: its head, which is all that the booting kernel looks at ---- */

static int open_dir(struct start *s, struct disk_place *place, struct err *err)
{
	struct err why = ERR_INIT;
	int r = (s->how->make_disk ? vm_dir_make : vm_dir_open)(
		s->vms, &place->vm, &s->dir_fd, &why);

	/* With the disk, which is to be made anew, all of it may be gone. */
	if (r < 0 && why.sys == ENOENT && s->vm->row.remake)
		r = vm_dir_make(s->vms, &place->vm, &s->dir_fd, &why);
	place->dirfd = s->dir_fd;
	if (r == 0)
		return 0;
	*err = why;
	return -1;
}

/* The one of an earlier image is gone first: a crash in between leaves it to be made. */
static int make_disk(struct start *s, const struct disk_place *place, struct err *err)
{
	if (!s->how->make_disk &&
		(s->disk_ops->remove(place, err) < 0 || FAILPOINT(disk_removed, err) < 0))
		return -1;
	return s->disk_ops->make(place, TAKE_FD(s->image_fd), &s->disk, err);
}

int vm_start_disk(void *ctx, struct err *err)
{
	struct start *s = ctx;
	struct console *console;
	const struct vm_row *row = &s->vm->row;
	struct disk_place place = { .vm = row->id,
		.dirfd = -1,
		.size = row->disk_size,
		.least = s->image.size,
		.made = row->disk_made == MADE_UNKNOWN ? 0 : row->disk_made,
		.netd = s->vms->services->netd };

	if (open_dir(s, &place, err) < 0)
		return -1;
	if (!vm_start_makes_disk(s))
		s->disk.image = TAKE_FD(s->image_fd);
	else if (make_disk(s, &place, err) < 0)
		return -1;
	if (!s->how->no_start && s->disk_ops->attach(&place, &s->disk, err) < 0)
		return err->code == ERR_bad_input && !s->how->make_disk ? vm_lost_say(s->vm, err)
									: -1;
	return vm_console_open(s->vm, &console, err);
}

void vm_start_undo_disk(void *ctx)
{
	struct start *s = ctx;
	struct err err = ERR_INIT;

	disk_close(&s->disk);
	if (!s->how->make_disk || s->keep)
		return;
	if (vm_dir_remove(s->vms, &s->vm->row.id, &err) < 0)
		log_error("%s", err.msg);
}

/* ---- work: the second disk, where the VM has one ---- */

int vm_start_work(void *ctx, struct err *err)
{
	struct start *s = ctx;
	const struct vm_row *row = &s->vm->row;

	const struct disk_place place = {
		.vm = row->id,
		.dirfd = s->dir_fd,
		.work = true,
		.size = row->work_size,
		.made = row->work_made == MADE_UNKNOWN ? WORK_DISK_MIN : row->work_made,
	};

	return row->work_size == 0 ? 0 : work_disk_open(&place, &s->work, err);
}

void vm_start_undo_work(void *ctx)
{
	struct start *s = ctx;

	/* One that is whole stays: its guest may have written to it. */
	if (s->work.fresh)
		work_disk_sweep(s->dir_fd, &s->vm->row.id);
	work_disk_close(&s->work);
}

/* ---- copy: the rest of the disks, while the kernel boots ---- */

int vm_start_copy(void *ctx, struct err *err)
{
	struct start *s = ctx;
	bool fresh = s->work.fresh;
	int r;

	if (s->disk_ops->finish(&s->disk, s->cancel_fd, err) < 0)
		return -1;
	r = work_disk_finish(&s->work, s->vms->services->imaged, s->dir_fd, !s->vm->row.auto_remove,
		s->cancel_fd, err);
	/* From here on it is the guest's, also when the start fails. */
	if (fresh && !s->work.fresh) {
		pthread_mutex_lock(&s->vms->lock);
		s->vm->row.work_made = s->work.size;
		pthread_mutex_unlock(&s->vms->lock);
	}
	return r;
}

/* ---- what is kept ---- */

int vm_start_keep_files(struct start *s, bool runs, struct err *err)
{
	const struct vm_row *row = &s->vm->row;
	bool grew = row->disk_made != row->disk_size || row->work_made != row->work_size;

	if (!row->auto_remove && (vm_start_makes_disk(s) || grew) &&
		vm_dir_sync(s->vms, s->dir_fd, err) < 0)
		return -1;
	vm_lost_note_made(s->vm, runs);
	return 0;
}
