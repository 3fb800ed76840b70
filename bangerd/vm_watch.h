/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* How what happens to a VM by itself becomes work for a worker (vm_duty.h says what is done). */
#include "bangerd/vm.h"

/* Have its VMM's end noticed. Under the VM's own lock, with a VMM that runs; what was watched
 * before is not any more. */
int vm_watch_end(struct vm *vm, struct err *err);
void vm_unwatch(struct vm *vm);

/* The guest of `vm` said its kernel's last words: have it looked at, where that does not end the
 * VMM by itself. For console_on_halt(). */
void vm_guest_halted(void *vm);

/* Have a duty done by a worker. From any thread; never fails. */
void vm_submit_duty(struct vm *vm, unsigned duties);
