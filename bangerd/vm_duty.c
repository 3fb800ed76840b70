/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vm_duty.h"

#include <stddef.h>

#include "bangerd/call.h"
#include "bangerd/vm_delete.h"
#include "bangerd/vm_hold.h"
#include "bangerd/vm_stop.h"
#include "common/log.h"
#include "common/str.h"

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

void vm_duty_run(struct work_item *item)
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
