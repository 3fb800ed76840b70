/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The vm.* methods: from a request to what vm_*.c does. */
#include <signal.h>

#include "bangerd/call.h"
#include "bangerd/reply.h"
#include "bangerd/vm_create.h"
#include "bangerd/vm_delete.h"
#include "bangerd/vm_exec.h"
#include "bangerd/vm_hold.h"
#include "bangerd/vm_json.h"
#include "bangerd/vm_pause.h"
#include "bangerd/vm_set.h"
#include "bangerd/vm_start.h"
#include "bangerd/vm_stop.h"
#include "common/log.h"
#include "common/proto_netd.h"
#include "common/settings.h"
#include "common/str.h"

int rpc_vm_create_begin(struct call *call, struct rpc_vm_create_begin_in *in,
	struct json_object **ret_result, struct err *err)
{
	return vm_create_begin(call->services->vms, call, in, ret_result, err);
}

int rpc_vm_list(struct call *call, struct rpc_vm_list_in *in, struct json_object **ret_result,
	struct err *err)
{
	return vm_describe_all(call->services->vms, call->uid, ret_result, err);
}

/* {"vm": {…}} */
static int reply_vm(struct vm *vm, bool full, struct json_object **ret, struct err *err)
{
	struct json_object *o;

	return vm_describe(vm, full, &o, err) < 0 ? -1 : reply_single("vm", o, ret, err);
}

int rpc_vm_show(struct call *call, struct rpc_vm_show_in *in, struct json_object **ret_result,
	struct err *err)
{
	_cleanup_vm_ struct vm *vm = NULL;

	if (vm_find(call->services->vms, call->uid, in->vm, &vm, err) < 0)
		return -1;
	return reply_vm(vm, true, ret_result, err);
}

/* ---- start and stop ---- */

static void on_stage(void *ctx, const char *step, unsigned index, unsigned count)
{
	call_progress(ctx, step, index, count, 0, 0);
}

static int start_held(struct vm *vm, const struct vm_hold *hold, struct call *call, struct err *err)
{
	const struct vm_start_how how = {
		.image_fd = -1, .progress = on_stage, .progress_ctx = call
	};
	bool keep = false;

	if (vm_state(vm) == VM_RUNNING)
		return 0;
	if (vm_state(vm) == VM_PAUSED)
		return err_set(err, ERR_busy, "VM '%s' is paused: banger vm resume %s",
			vm->row.name.s, vm->row.name.s);
	if (vm_state(vm) != VM_STOPPED)
		return err_set(err, ERR_busy, "VM '%s' is %s: delete it", vm->row.name.s,
			vm_state_name(vm_state(vm)));
	if (vm_start_held(vm, hold, &how, &keep, err) == 0)
		return 0;
	if (err->code == ERR_cancelled)
		err_set(err, ERR_cancelled,
			"the start of VM '%s' was cancelled, by a stop, kill or delete, or by the "
			"daemon's end",
			vm->row.name.s);
	return -1;
}

int rpc_vm_start(struct call *call, struct rpc_vm_start_in *in, struct json_object **ret_result,
	struct err *err)
{
	_cleanup_vm_ struct vm *vm = NULL;
	_cleanup_(vm_hold_drop) struct vm_hold hold = VM_HOLD_INIT;

	if (vm_find(call->services->vms, call->uid, in->vm, &vm, err) < 0 ||
		vm_hold_take(&hold, vm, VM_HOLD_WAIT, true, call->cancel_fd, err) < 0 ||
		start_held(vm, &hold, call, err) < 0)
		return -1;
	return reply_vm(vm, false, ret_result, err);
}

static uint64_t stop_ms(const struct call *call, struct seconds timeout)
{
	return (timeout.given ? timeout.n : call->services->settings->vmm_stop_timeout) * 1000;
}

/* What is to go once it stopped, goes; but first the answer. */
static int reply_stopped(struct vm *vm, struct json_object **ret, struct err *err)
{
	struct err why = ERR_INIT;

	if (reply_vm(vm, false, ret, err) < 0)
		return -1;
	if (vm->row.auto_remove && vm_state(vm) == VM_STOPPED && vm_delete_held(vm, &why) < 0)
		log_error("VM %s: cannot be removed: %s", vm->row.id.s, why.msg);
	return 0;
}

/* Take the lock from who holds it. */
static int take_from(
	struct vm *vm, struct vm_hold *hold, bool yields, const struct call *call, struct err *err)
{
	return vm_hold_take(hold, vm, VM_HOLD_PREEMPT, yields, call->cancel_fd, err);
}

int rpc_vm_stop(struct call *call, struct rpc_vm_stop_in *in, struct json_object **ret_result,
	struct err *err)
{
	_cleanup_vm_ struct vm *vm = NULL;
	_cleanup_(vm_hold_drop) struct vm_hold hold = VM_HOLD_INIT;

	if (vm_find(call->services->vms, call->uid, in->vm, &vm, err) < 0 ||
		take_from(vm, &hold, true, call, err) < 0 ||
		vm_stop_held(vm, &hold, stop_ms(call, in->timeout_s), err) < 0)
		return -1;
	return reply_stopped(vm, ret_result, err);
}

int rpc_vm_restart(struct call *call, struct rpc_vm_restart_in *in, struct json_object **ret_result,
	struct err *err)
{
	_cleanup_vm_ struct vm *vm = NULL;
	_cleanup_(vm_hold_drop) struct vm_hold hold = VM_HOLD_INIT;

	if (vm_find(call->services->vms, call->uid, in->vm, &vm, err) < 0 ||
		vm_hold_take(&hold, vm, VM_HOLD_WAIT, true, call->cancel_fd, err) < 0 ||
		vm_stop_held(vm, &hold, stop_ms(call, in->timeout_s), err) < 0 ||
		start_held(vm, &hold, call, err) < 0)
		return -1;
	return reply_vm(vm, false, ret_result, err);
}

static int set_running(struct call *call, const char *ref,
	int (*how)(struct vm *, const struct vm_hold *, struct err *),
	struct json_object **ret_result, struct err *err)
{
	_cleanup_vm_ struct vm *vm = NULL;
	_cleanup_(vm_hold_drop) struct vm_hold hold = VM_HOLD_INIT;

	if (vm_find(call->services->vms, call->uid, ref, &vm, err) < 0 ||
		vm_hold_take(&hold, vm, VM_HOLD_WAIT, true, call->cancel_fd, err) < 0)
		return -1;
	if (how(vm, &hold, err) < 0)
		return err->code == ERR_timeout ? vm_kill_silent(vm, err) : -1;
	return reply_vm(vm, false, ret_result, err);
}

int rpc_vm_pause(struct call *call, struct rpc_vm_pause_in *in, struct json_object **ret_result,
	struct err *err)
{
	return set_running(call, in->vm, vm_pause_held, ret_result, err);
}

int rpc_vm_resume(struct call *call, struct rpc_vm_resume_in *in, struct json_object **ret_result,
	struct err *err)
{
	return set_running(call, in->vm, vm_resume_held, ret_result, err);
}

int rpc_vm_set(struct call *call, struct rpc_vm_set_in *in, struct json_object **ret_result,
	struct err *err)
{
	_cleanup_vm_ struct vm *vm = NULL;
	_cleanup_(vm_hold_drop) struct vm_hold hold = VM_HOLD_INIT;

	if (vm_find(call->services->vms, call->uid, in->vm, &vm, err) < 0 ||
		vm_hold_take(&hold, vm, VM_HOLD_WAIT, true, call->cancel_fd, err) < 0 ||
		vm_set_held(vm, &hold, in, err) < 0)
		return -1;
	return reply_vm(vm, false, ret_result, err);
}

/* A signal to the VMM, which is what ends it. */
static int send_signal(struct vm *vm, uint8_t signo, struct err *err)
{
	const struct netd_vm_signal_in signal_in = { .vm = vm->row.id, .signo = signo };
	struct netd_vm_signal_out signal_out;

	if (vm_state(vm) != VM_RUNNING && vm_state(vm) != VM_PAUSED)
		return err_set(err, ERR_not_running, "VM '%s' is not running", vm->row.name.s);
	return netd_vm_signal(vm->vms->services->netd, &signal_in, &signal_out, err);
}

int rpc_vm_kill(struct call *call, struct rpc_vm_kill_in *in, struct json_object **ret_result,
	struct err *err)
{
	_cleanup_vm_ struct vm *vm = NULL;
	_cleanup_(vm_hold_drop) struct vm_hold hold = VM_HOLD_INIT;

	if (vm_find(call->services->vms, call->uid, in->vm, &vm, err) < 0)
		return -1;
	if (in->signal != 0 && in->signal != SIGKILL)
		return send_signal(vm, in->signal, err) < 0 ? -1
							    : reply_vm(vm, false, ret_result, err);
	if (vm_state(vm) == VM_STOPPED)
		return err_set(err, ERR_not_running, "VM '%s' is not running", vm->row.name.s);
	if (take_from(vm, &hold, false, call, err) < 0 || vm_kill_held(vm, err) < 0)
		return -1;
	return reply_stopped(vm, ret_result, err);
}

int rpc_vm_delete(struct call *call, struct rpc_vm_delete_in *in, struct json_object **ret_result,
	struct err *err)
{
	_cleanup_vm_ struct vm *vm = NULL;
	_cleanup_(vm_hold_drop) struct vm_hold hold = VM_HOLD_INIT;
	struct err why = ERR_INIT;
	enum vm_state state;

	if (vm_find(call->services->vms, call->uid, in->vm, &vm, err) < 0)
		return -1;
	state = vm_state(vm);
	if (!in->force && state != VM_STOPPED && state != VM_DELETING)
		return err_set(err, ERR_busy,
			"VM '%s' is %s: stop it first, or delete it with --force", vm->row.name.s,
			vm_state_name(state));
	if (take_from(vm, &hold, false, call, &why) == 0)
		return vm_delete_held(vm, err);
	/* A creation that this ended left nothing. */
	if (why.code == ERR_not_found)
		return 0;
	*err = why;
	return -1;
}

/* ---- inside ---- */

int rpc_vm_exec(struct call *call, struct rpc_vm_exec_in *in, struct json_object **ret_result,
	struct err *err)
{
	_cleanup_vm_ struct vm *vm = NULL;

	if (vm_find(call->services->vms, call->uid, in->vm, &vm, err) < 0)
		return -1;
	return vm_exec(vm, call, in, ret_result, err);
}

int rpc_vm_await(struct call *call, struct rpc_vm_await_in *in, struct json_object **ret_result,
	struct err *err)
{
	struct vm *vm;

	if (vm_find(call->services->vms, call->uid, in->vm, &vm, err) < 0)
		return -1;
	call_await(call, vm, in->paused);
	return 0;
}

int rpc_vm_console(struct call *call, struct rpc_vm_console_in *in, struct json_object **ret_result,
	struct err *err)
{
	_cleanup_vm_ struct vm *vm = NULL;

	if (vm_find(call->services->vms, call->uid, in->vm, &vm, err) < 0)
		return -1;
	return vm_console(vm, call, err);
}

int rpc_vm_logs(struct call *call, struct rpc_vm_logs_in *in, struct json_object **ret_result,
	struct err *err)
{
	_cleanup_vm_ struct vm *vm = NULL;

	if (vm_find(call->services->vms, call->uid, in->vm, &vm, err) < 0)
		return -1;
	return vm_logs(vm, call, in->follow, err);
}

int rpc_vm_health(struct call *call, struct rpc_vm_health_in *in, struct json_object **ret_result,
	struct err *err)
{
	_cleanup_vm_ struct vm *vm = NULL;

	if (vm_find(call->services->vms, call->uid, in->vm, &vm, err) < 0)
		return -1;
	return vm_health(vm, call, ret_result, err);
}
