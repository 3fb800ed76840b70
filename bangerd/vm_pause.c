/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vm_pause.h"

#include <time.h>

#include "bangerd/disk_watch.h"
#include "bangerd/vm_guest.h"
#include "common/log.h"
#include "common/str.h"

/* For a VMM to answer, for a guest. */
#define ASK_MS	 5000
#define CLOCK_MS 2000

/* Paused it is; `why` says who did it. */
static int save_paused(struct vm *vm, const char *why, struct err *err)
{
	pthread_mutex_lock(&vm->vms->lock);
	str_format(vm->row.paused_why.s, sizeof(vm->row.paused_why.s), "%.500s", why);
	pthread_mutex_unlock(&vm->vms->lock);
	return vm_save(vm, VM_PAUSED, "", err);
}

static int set_running(
	struct vm *vm, const struct vm_hold *hold, bool on, const char *why_paused, struct err *err)
{
	const struct wait w = wait_ms(hold->cancel_fd, ASK_MS);
	const struct vmm *v = &vm->vmm;
	enum vm_state is = vm_state(vm), want = on ? VM_RUNNING : VM_PAUSED;
	struct err why = ERR_INIT;

	if (is == want)
		return 0;
	if (is != VM_RUNNING && is != VM_PAUSED)
		return vm_not_running(vm, is, err);
	if ((on ? v->ops->resume : v->ops->pause)(v, &w, &why) == 0)
		return on ? vm_save(vm, want, "", err) : save_paused(vm, why_paused, err);
	*err = why;
	return err_wrap(err, "%s of VM '%s' cannot %s its guest", v->ops->name, vm->row.name.s,
		on ? "resume" : "pause");
}

int vm_pause_held(struct vm *vm, const struct vm_hold *hold, struct err *err)
{
	/* One that the daemon paused is the user's from now on: it does not go on by itself. */
	if (vm_state(vm) == VM_PAUSED && vm->row.paused_why.s[0])
		return save_paused(vm, "", err);
	return set_running(vm, hold, false, "", err);
}

int vm_pause_for(struct vm *vm, const struct vm_hold *hold, const char *why, struct err *err)
{
	return set_running(vm, hold, false, why, err);
}

/* Its clock stood still with it. */
static void tell_time(struct vm *vm, const struct vm_hold *hold)
{
	const struct wait w = wait_ms(hold->cancel_fd, CLOCK_MS);
	struct err why = ERR_INIT;
	struct agent_clock_out out;
	struct agent_clock_in in;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	in.clock_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	if (vm_agent_call(vm, agent_msg_clock, &in, &out, &w, &why) < 0)
		log_warning("VM %s: its clock is behind: %s", vm->row.id.s, why.msg);
}

int vm_resume_held(struct vm *vm, const struct vm_hold *hold, struct err *err)
{
	bool paused = vm_state(vm) == VM_PAUSED;

	if (paused && disk_watch_may_run(vm, err) < 0)
		return -1;
	if (set_running(vm, hold, true, NULL, err) < 0)
		return -1;
	disk_watch_renew(vm);
	if (paused)
		tell_time(vm, hold);
	return 0;
}
