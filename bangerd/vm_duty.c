/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vm_duty.h"

#include <stddef.h>

#include "bangerd/call.h"
#include "bangerd/vm_delete.h"
#include "bangerd/vm_guest.h"
#include "bangerd/vm_hold.h"
#include "bangerd/vm_stop.h"
#include "common/log.h"
#include "common/str.h"

/* For a guest that says it is off to show that it is not. */
#define HALTED_MS 3000

static void do_ended(struct vm *vm)
{
	_cleanup_(vm_hold_drop) struct vm_hold hold = VM_HOLD_INIT;
	struct err err = ERR_INIT;

	if (vm_hold_take(&hold, vm, VM_HOLD_WAIT, false, -1, &err) < 0)
		return;
	/* Whoever held the lock meanwhile may have stopped it, or even started it again. */
	if (!vm_has_ended(vm))
		return;
	vm_end(vm);
	if (vm->row.auto_remove && vm_delete_held(vm, &err) < 0)
		log_error("VM %s: cannot be removed: %s", vm->row.id.s, err.msg);
}

/* Its guest says that it is off, which this VMM does not notice: it is, if its agent is silent too.
 * By then its disk is as it left it. */
static bool is_off(struct vm *vm)
{
	const struct wait w = wait_ms(-1, HALTED_MS);
	const struct agent_health_in in;
	struct agent_health_out out;
	struct err why = ERR_INIT;

	return vm_state(vm) == VM_RUNNING && vm->vmm.ops && !vm_has_ended(vm) &&
	       vm_agent_call(vm, agent_msg_health, &in, &out, &w, &why) < 0;
}

static void do_halted(struct vm *vm)
{
	_cleanup_(vm_hold_drop) struct vm_hold hold = VM_HOLD_INIT;
	struct err err = ERR_INIT;

	if (vm_hold_take(&hold, vm, VM_HOLD_WAIT, false, -1, &err) < 0 || !is_off(vm))
		return;
	log_info("VM %s '%s' powered off", vm->row.id.s, vm->row.name.s);
	if (vm_kill_held(vm, &err) < 0)
		log_error("VM %s: cannot be ended: %s", vm->row.id.s, err.msg);
	else if (vm->row.auto_remove && vm_delete_held(vm, &err) < 0)
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
		else if (duties & VM_DUTY_ENDED)
			do_ended(vm);
		else
			do_halted(vm);
	}
	vm_unref(vm);
}
