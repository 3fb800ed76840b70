/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A VM whose CPUs stand still, with its memory as it is. Under the VM's own lock. */
#include "bangerd/vm.h"
#include "bangerd/vm_hold.h"

/* Both succeed when it is so already, and fail with not_running when the VM does not run. A VMM
 * that does not answer is left as it is (timeout). */
int vm_pause_held(struct vm *vm, const struct vm_hold *hold, struct err *err);

/* The same, by the daemon itself: `why` is what users are told. */
int vm_pause_for(struct vm *vm, const struct vm_hold *hold, const char *why, struct err *err);

/* Fails with no_space while the host has none for it, and when its disk is lost (disk_watch.h).
 * A guest that does not take the time that it missed is resumed nevertheless. */
int vm_resume_held(struct vm *vm, const struct vm_hold *hold, struct err *err);
