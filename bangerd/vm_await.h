/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Who waits for a VM to be in another state: told once, on the loop. Main thread only, but for
 * vm_await_wake(). */
#include "bangerd/vm.h"

struct vm_await {
	/* It is off the list; the reference to `vm` is the callee's. */
	void (*done)(struct vm_await *a, struct vm *vm);

	struct vm *vm; /* vm_await.c's own from here; NULL: it waits for nothing */
	enum vm_state state;
	struct vm_await *next;
};

/* Wait while the state is `state`; takes the reference. `done` comes from the loop, not from here,
 * also when it is another one already. */
void vm_await(struct vm *vm, enum vm_state state, struct vm_await *a);

/* The VM, whose reference is the caller's again; NULL when it waits for nothing. */
struct vm *vm_await_end(struct vm_await *a);

/* A VM's state has changed. With vms->lock held; any thread. */
void vm_await_wake(struct vms *vms);
