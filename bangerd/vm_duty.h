/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the daemon does about VMs by itself: when a VMM ended, when a connection is gone. */
#include "bangerd/vm.h"

void vm_duty_init(struct vm *vm);

/* Have its VMM's end noticed. Under the VM's own lock, with a VMM that runs; what was watched
 * before is not any more. */
int vm_watch_end(struct vm *vm, struct err *err);
void vm_unwatch(struct vm *vm);
