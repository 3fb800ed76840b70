/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vm_duty.h"

#include <stddef.h>
#include <sys/epoll.h>

#include "bangerd/call.h"
#include "bangerd/vm_delete.h"
#include "bangerd/vm_hold.h"
#include "bangerd/vm_stop.h"
#include "common/log.h"
#include "common/str.h"

static void on_ended(void *ctx, uint32_t revents)
{
	struct vm *vm = ctx;

	(void)revents;
	watch_remove(&vm->ended);
	vm_submit_duty(vm, VM_DUTY_ENDED);
}

void vm_unwatch(struct vm *vm)
{
	/* The callback takes the watch away as well. */
	watches_lock(vm->vms->watches);
	watch_remove(&vm->ended);
	watches_unlock(vm->vms->watches);
}

int vm_watch_end(struct vm *vm, struct err *err)
{
	vm_unwatch(vm);
	return watch_add(vm->vms->watches, vm->vmm.pidfd, EPOLLIN, on_ended, vm, &vm->ended, err);
}

static void do_ended(struct vm *vm)
{
	_cleanup_(vm_hold_drop) struct vm_hold hold = VM_HOLD_INIT;
	struct err err = ERR_INIT;

	if (vm_hold_take(&hold, vm, VM_HOLD_WAIT, false, -1, &err) < 0)
		return;
	/* Whoever held the lock meanwhile may have stopped it, or even started it again. */
	if (!vm_has_ended(vm))
		return;
	vm_end(vm, true);
	if (vm->row.auto_remove && vm_delete_held(vm, &err) < 0)
		log_error("VM %s: cannot be removed: %s", vm->row.id.s, err.msg);
}

static void do_remove(struct vm *vm)
{
	_cleanup_(vm_hold_drop) struct vm_hold hold = VM_HOLD_INIT;
	struct err err = ERR_INIT;

	if (vm_hold_take(&hold, vm, VM_HOLD_PREEMPT, false, -1, &err) < 0)
		return;
	if (vm_delete_held(vm, &err) < 0)
		log_error("VM %s: cannot be removed: %s", vm->row.id.s, err.msg);
	else
		log_info("VM %s '%s' was removed with its client", vm->row.id.s, vm->row.name.s);
}

static void duty_run(struct work_item *item)
{
	struct vm *vm = (struct vm *)(void *)((char *)item - offsetof(struct vm, duty));
	struct vms *vms = vm->vms;

	for (;;) {
		unsigned duties;

		pthread_mutex_lock(&vms->lock);
		duties = vm->duties;
		vm->duties = 0;
		vm->duty_queued = duties != 0;
		pthread_mutex_unlock(&vms->lock);
		if (duties == 0)
			break;
		if (duties & VM_DUTY_REMOVE)
			do_remove(vm);
		else
			do_ended(vm);
	}
	vm_unref(vm);
}

void vm_duty_init(struct vm *vm)
{
	vm->duty.run = duty_run;
	vm->duty.uid = vm->row.owner;
	vm->duty.class = WORK_URGENT;
}

void vm_submit_duty(struct vm *vm, unsigned duties)
{
	struct vms *vms = vm->vms;
	bool submit;

	pthread_mutex_lock(&vms->lock);
	vm->duties |= duties;
	submit = !vm->duty_queued;
	vm->duty_queued = true;
	if (submit)
		vm->refs++;
	pthread_mutex_unlock(&vms->lock);
	if (submit)
		work_submit_duty(vms->services->work, &vm->duty);
}
