/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A VM's own lock: one operation at a time changes what a VM does. It can be waited for only by
 * one that can be cancelled, and who needs it at once cancels who holds it. */
#include "bangerd/vm.h"

struct vm_hold {
	struct vm *vm;	      /* NULL: not held */
	int cancel_fd;	      /* readable: end soon. The one given, or somebody preempted */
	int preempted;	      /* eventfd, in cancel_fd's epoll */
	int granted;	      /* eventfd */
	struct vm_hold *next; /* of the waiters */
	bool yields;
};

#define VM_HOLD_INIT                                            \
	{                                                       \
		.cancel_fd = -1, .preempted = -1, .granted = -1 \
	}

enum vm_hold_kind {
	VM_HOLD_WAIT,	 /* wait for the lock */
	VM_HOLD_TRY,	 /* fail with busy when it is not free */
	VM_HOLD_PREEMPT, /* cancel who holds it and all who wait for it, then wait */
};

/*
 * Take the VM's lock. Fails with cancelled when `cancel_fd` (-1: none) is readable first, or when
 * it is preempted while it waits; and with not_found when the VM is deleted by then. `yields`: this
 * operation may be preempted itself.
 */
int vm_hold_take(struct vm_hold *hold, struct vm *vm, enum vm_hold_kind kind, bool yields,
	int cancel_fd, struct err *err);
void vm_hold_drop(struct vm_hold *hold); /* for _cleanup_; harmless when it is not held */
