/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vm_pause.h"

#include "bangerd/vm_guest.h"

/* For a VMM to answer. */
#define ASK_MS 5000

static int set_running(struct vm *vm, const struct vm_hold *hold, bool on, struct err *err)
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
		return vm_save(vm, want, "", err);
	*err = why;
	return err_wrap(err, "%s of VM '%s' cannot %s its guest", v->ops->name, vm->row.name.s,
		on ? "resume" : "pause");
}

int vm_pause_held(struct vm *vm, const struct vm_hold *hold, struct err *err)
{
	return set_running(vm, hold, false, err);
}

int vm_resume_held(struct vm *vm, const struct vm_hold *hold, struct err *err)
{
	return set_running(vm, hold, true, err);
}
