/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vm_space.h"

#include <stddef.h>

#include "bangerd/call.h"
#include "bangerd/disk_watch.h"
#include "bangerd/vm_hold.h"
#include "bangerd/vm_pause.h"
#include "bangerd/vm_stop.h"
#include "common/log.h"
#include "common/settings.h"
#include "common/str.h"

static unsigned long long mib(uint64_t n)
{
	return (unsigned long long)(n >> 20);
}

static void say_full(const struct vm *vm, const struct disk_space *s, text *ret)
{
	uint64_t missing = disk_rule_missing(s);
	char when[80];

	str_format(when, sizeof(when), "once %llu MiB more are free: delete VMs or images",
		mib(missing) + 1);
	str_format(ret->s, sizeof(ret->s),
		"the host is nearly full: %llu MiB are free on the file system of %.200s, %llu are "
		"to stay free ([image] min_free); it goes on by itself %s",
		mib(s->free), vm->vms->services->settings->paths_state_dir.s,
		mib(disk_rule_line(s->keep)), missing > 0 ? when : "in some seconds, more slowly");
}

static void say_lost(const struct vm *vm, text *ret)
{
	str_format(ret->s, sizeof(ret->s),
		"its disk is lost: its file of differences could not be written, or is not to be "
		"read any more; banger vm kill %s, then vm set --image IMAGE for a new one, or vm "
		"delete",
		vm->row.name.s);
}

/* A VMM that does not do it in time cannot be left to write. */
static void pause_it(struct vm *vm, const struct vm_hold *hold, const text *why)
{
	struct err err = ERR_INIT;

	if (vm_pause_for(vm, hold, why->s, &err) < 0) {
		if (err.code == ERR_timeout)
			vm_kill_silent(vm, &err);
		else
			log_error("VM %s: %s", vm->row.id.s, err.msg);
		return;
	}
	pthread_mutex_lock(&vm->vms->lock);
	vm->disk.paused_ms = wait_now_ms();
	pthread_mutex_unlock(&vm->vms->lock);
	log_warning("VM %s '%s' is paused: %s", vm->row.id.s, vm->row.name.s, why->s);
}

/* The lock was taken from who had it: its start, when there was one, is undone by now. */
static void stand_still(struct vm *vm)
{
	_cleanup_(vm_hold_drop) struct vm_hold hold = VM_HOLD_INIT;
	enum vm_state was = vm_state(vm);
	enum disk_action action;
	struct disk_space space;
	struct err err = ERR_INIT;
	text why;

	if (vm_hold_take(&hold, vm, VM_HOLD_PREEMPT, false, -1, &err) < 0) {
		log_warning(
			"VM %s '%s': %s: the host is full", vm->row.id.s, vm->row.name.s, err.msg);
		return;
	}
	action = disk_watch_decide(vm, &space);
	say_full(vm, &space, &why);
	if (action == DISK_PAUSE_LOST)
		say_lost(vm, &why);
	if (action == DISK_PAUSE || action == DISK_PAUSE_LOST) {
		pause_it(vm, &hold, &why);
	} else if (was == VM_STARTING && vm_state(vm) == VM_STOPPED) {
		log_warning("VM %s '%s': its start was cut off: %s", vm->row.id.s, vm->row.name.s,
			why.s);
		if (vm_save(vm, VM_STOPPED, why.s, &err) < 0)
			log_error("VM %s: %s", vm->row.id.s, err.msg);
	}
}

static void go_on(struct vm *vm)
{
	_cleanup_(vm_hold_drop) struct vm_hold hold = VM_HOLD_INIT;
	struct disk_space space;
	struct err err = ERR_INIT;

	if (vm_hold_take(&hold, vm, VM_HOLD_WAIT, false, -1, &err) < 0 ||
		disk_watch_decide(vm, &space) != DISK_RESUME)
		return;
	if (vm_resume_held(vm, &hold, &err) == 0)
		log_notice("VM %s '%s' goes on: %llu MiB are free", vm->row.id.s, vm->row.name.s,
			mib(space.free));
	else if (err.code == ERR_timeout)
		vm_kill_silent(vm, &err);
	else
		log_error("VM %s: %s", vm->row.id.s, err.msg);
}

void vm_space_act(struct work_item *item)
{
	struct vm *vm = (struct vm *)(void *)((char *)item - offsetof(struct vm, space));
	struct disk_space space;

	switch (disk_watch_decide(vm, &space)) {
	case DISK_PAUSE:
	case DISK_PAUSE_LOST:
		stand_still(vm);
		break;
	case DISK_RESUME:
		go_on(vm);
		break;
	case DISK_LEAVE:
		break;
	}
	/* From here on it may be queued again. */
	pthread_mutex_lock(&vm->vms->lock);
	vm->space_queued = false;
	pthread_mutex_unlock(&vm->vms->lock);
	vm_unref(vm);
}
