/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vm_watch.h"

#include <sys/epoll.h>

#include "bangerd/call.h"

/* Guests can say that they halted as often as they like. */
#define LOOK_MS 10000

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

void vm_guest_halted(void *ctx)
{
	struct vm *vm = ctx;
	uint64_t now = wait_now_ms();
	bool look;

	pthread_mutex_lock(&vm->vms->lock);
	look = vm->vmm.ops && vm->vmm.ops->stays &&
	       (vm->looked_ms == 0 || now - vm->looked_ms >= LOOK_MS);
	if (look)
		vm->looked_ms = now;
	pthread_mutex_unlock(&vm->vms->lock);
	if (look)
		vm_submit_duty(vm, VM_DUTY_HALTED);
}

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
