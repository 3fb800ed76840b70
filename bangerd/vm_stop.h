/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* How a VM comes to its end. All under the VM's own lock. */
#include "bangerd/vm.h"
#include "bangerd/vm_hold.h"

/* The VMM of a VM that should run has ended. */
bool vm_has_ended(struct vm *vm);

/*
 * What a VMM that ended by itself left: reap it, take its network and jail away, save the state as
 * stopped. An end that was no power-off is a last_error, with what the VMM and the console said.
 */
void vm_end(struct vm *vm);

/* Why a VMM that should run does not, for an error's message. A VM that is not kept cannot be asked
 * for its console any more: what it ended with is in the message. */
void vm_death(struct vm *vm, bool kept, char *dst, size_t cap);

/* Sync and power off by the agent; when that does not end it within timeout_ms, kill; with 0 at
 * once, as vm_kill_held(). A VM that does not run is stopped already, one that is paused is resumed
 * first. Fails with cancelled, leaving it running. */
int vm_stop_held(struct vm *vm, const struct vm_hold *hold, uint64_t timeout_ms, struct err *err);

/* At once. */
int vm_kill_held(struct vm *vm, struct err *err);

/* One whose VMM did not answer in time, which `err` tells: whether its guest runs is not known, and
 * will not be. It is killed, and the row and `err` say so. Gives -1. */
int vm_kill_silent(struct vm *vm, struct err *err);

/* Take away what the VM has on the host, living VMM and all; idempotent. Says so in the log when
 * it fails, besides. */
int vm_release_host(struct vm *vm, struct err *err);
