/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vm_lost.h"

#include <errno.h>
#include <stdlib.h>

#include "bangerd/call.h"
#include "bangerd/disk.h"
#include "bangerd/reply.h"
#include "bangerd/vm_files.h"
#include "bangerd/vm_hold.h"
#include "bangerd/work_disk.h"
#include "common/disk_sizes.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"

/* ---- the look ---- */

static bool has_work(const struct vm_row *row)
{
	return row->work_size > 0 && row->work_made > 0;
}

static int look_at_root(const struct vm_row *row, int dirfd, struct err *err)
{
	const struct disk_place place = {
		.vm = row->id,
		.dirfd = dirfd,
		.size = row->disk_size,
		.made = row->disk_made == MADE_UNKNOWN ? 0 : row->disk_made,
	};

	return row->remake ? 0 : disk_ops_of(row->disk)->look(&place, err);
}

static int look_at_work(const struct vm_row *row, int dirfd, struct err *err)
{
	const struct disk_place place = {
		.vm = row->id,
		.dirfd = dirfd,
		.work = true,
		.size = row->work_size,
		.made = row->work_made == MADE_UNKNOWN ? WORK_DISK_MIN : row->work_made,
	};

	return has_work(row) ? work_disk_look(&place, err) : 0;
}

static int look_at_files(struct vm *vm, bool *ret_root, bool *ret_work, struct err *err)
{
	const struct vm_row *row = &vm->row;
	_cleanup_fd_ int dir = -1;
	struct err of_work = ERR_INIT;

	if (vm_dir_open(vm->vms, &row->id, &dir, err) < 0) {
		if (err->sys != ENOENT || (row->remake && !has_work(row)))
			return err->sys == ENOENT ? 0 : -1;
		*ret_root = !row->remake;
		*ret_work = has_work(row);
		return err_set(err, ERR_bad_input, "the directory of VM %s is gone, with its disks",
			row->id.s);
	}
	*ret_work = look_at_work(row, dir, &of_work) < 0;
	*ret_root = look_at_root(row, dir, err) < 0;
	if (*ret_root && err->code != ERR_bad_input)
		return -1;
	if (*ret_work && (!*ret_root || of_work.code != ERR_bad_input))
		*err = of_work;
	return *ret_root || *ret_work ? -1 : 0;
}

static void mark(struct vm *vm, bool root, bool work, const char *how)
{
	struct vm_row *row = &vm->row;
	struct err err = ERR_INIT;

	if (row->disk_gone == root && row->work_gone == work)
		return;
	if (root || work)
		log_error("VM %s '%s': %s", row->id.s, row->name.s, how);
	else
		log_notice("VM %s '%s': its disks are there again", row->id.s, row->name.s);
	pthread_mutex_lock(&vm->vms->lock);
	row->disk_gone = root;
	row->work_gone = work;
	pthread_mutex_unlock(&vm->vms->lock);
	if (store_vm_save_state(vm->vms->services->store, row, &err) < 0)
		log_error("VM %s: %s", row->id.s, err.msg);
}

int vm_lost_look(struct vm *vm, struct err *err)
{
	bool root = false, work = false;
	struct err why = ERR_INIT;

	if (look_at_files(vm, &root, &work, &why) == 0) {
		mark(vm, false, false, NULL);
		return 0;
	}
	if (why.code == ERR_bad_input)
		mark(vm, root, work, why.msg);
	*err = why;
	return -1;
}

int vm_lost_say(const struct vm *vm, struct err *err)
{
	const struct vm_row *row = &vm->row;
	bool work = row->work_gone, root = row->disk_gone || !work;
	char what[ERR_MSG_MAX / 2];

	str_format(what, sizeof(what), "%.250s", err->msg);
	return err_set(err, err->code,
		"VM '%s' cannot start: %s; bring it back, or give the VM a new disk: banger vm set "
		"%s%s%s",
		row->name.s, what, root ? "--image IMAGE " : "", work ? "--disk-size SIZE " : "",
		row->name.s);
}

/* ---- what is noted ---- */

void vm_lost_note_made(struct vm *vm, bool runs)
{
	struct vm_row *row = &vm->row;

	pthread_mutex_lock(&vm->vms->lock);
	/* The kernel gives a file of differences its head when it is first used. */
	if (runs || row->disk == disk_kind_clone)
		row->disk_made = row->disk_size;
	if (runs)
		row->work_made = row->work_size;
	pthread_mutex_unlock(&vm->vms->lock);
}

int vm_lost_settle(struct vm *vm, struct err *err)
{
	struct vm_row *row = &vm->row;
	struct disk_place place = { .vm = row->id, .dirfd = -1, .made = row->disk_size };
	uint64_t work = 0, root = 0;
	_cleanup_fd_ int dir = -1;
	struct err why = ERR_INIT;

	if (row->disk_made != MADE_UNKNOWN && row->work_made != MADE_UNKNOWN)
		return 0;
	if (vm_dir_open(vm->vms, &row->id, &dir, &why) < 0 && why.sys != ENOENT) {
		*err = why;
		return -1;
	}
	place.dirfd = dir;
	if (dir >= 0 && work_disk_made(dir, &row->id, &work, err) < 0)
		return -1;
	if (dir >= 0 && !row->remake && disk_ops_of(row->disk)->look(&place, &why) == 0)
		root = row->disk_size;
	/* One that has the name was whole once. */
	work = work < row->work_size ? work : row->work_size;
	pthread_mutex_lock(&vm->vms->lock);
	row->disk_made = root;
	row->work_made = work;
	pthread_mutex_unlock(&vm->vms->lock);
	return store_vm_save_state(vm->vms->services->store, row, err);
}

/* ---- all ---- */

static void describe(struct vm *vm, struct reply *list)
{
	_cleanup_(vm_hold_drop) struct vm_hold hold = VM_HOLD_INIT;
	struct err err = ERR_INIT;
	enum vm_state state;
	char line[ERR_MSG_MAX];

	if (vm_hold_take(&hold, vm, VM_HOLD_TRY, false, -1, &err) < 0)
		return;
	state = vm_state(vm);
	if ((state != VM_STOPPED && state != VM_RUNNING && state != VM_PAUSED) ||
		vm_lost_look(vm, &err) == 0)
		return;
	str_format(line, sizeof(line), "VM '%s': %.400s", vm->row.name.s, err.msg);
	reply_string(list, NULL, line);
}

void vms_lost_describe(struct vms *vms, uid_t uid, const char *key, struct reply *r)
{
	struct reply list;
	struct vm **all;
	size_t n = vms_collect(vms, uid, &all);

	reply_begin_array(&list);
	for (size_t i = 0; i < n; i++) {
		describe(all[i], &list);
		vm_unref(all[i]);
	}
	free(all);
	reply_object(r, key, reply_take(&list));
}
