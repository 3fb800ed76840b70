/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vm_await.h"

#include <stddef.h>

#include "bangerd/call.h"
#include "bangerd/loop.h"

static void take_off(struct vms *vms, struct vm_await *a)
{
	struct vm_await **at = &vms->awaits;

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	a->vm = NULL;
	pthread_mutex_lock(&vms->lock);
	vms->n_awaits--;
	pthread_mutex_unlock(&vms->lock);
}

/* One whose VM is in another state by now. */
static struct vm_await *next_due(struct vms *vms)
{
	struct vm_await *a = vms->awaits;

	pthread_mutex_lock(&vms->lock);
	while (a && a->vm->row.state == a->state)
		a = a->next;
	pthread_mutex_unlock(&vms->lock);
	return a;
}

static void tell(struct loop_task *task)
{
	struct vms *vms = (struct vms *)(void *)((char *)task - offsetof(struct vms, await_task));
	struct vm_await *a;

	pthread_mutex_lock(&vms->lock);
	vms->await_posted = false;
	pthread_mutex_unlock(&vms->lock);
	while ((a = next_due(vms))) {
		struct vm *vm = a->vm;

		take_off(vms, a);
		a->done(a, vm);
	}
}

void vm_await_wake(struct vms *vms)
{
	if (vms->n_awaits == 0 || vms->await_posted)
		return;
	vms->await_posted = true;
	vms->await_task.run = tell;
	loop_post(vms->services->loop, &vms->await_task);
}

void vm_await(struct vm *vm, enum vm_state state, struct vm_await *a)
{
	struct vms *vms = vm->vms;

	a->vm = vm;
	a->state = state;
	a->next = vms->awaits;
	vms->awaits = a;
	pthread_mutex_lock(&vms->lock);
	vms->n_awaits++;
	vm_await_wake(vms);
	pthread_mutex_unlock(&vms->lock);
}

struct vm *vm_await_end(struct vm_await *a)
{
	struct vm *vm = a->vm;

	if (vm)
		take_off(vm->vms, a);
	return vm;
}
