/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * VMs in transient scopes of systemd, banger-vm-ID.scope in banger.slice, by its D-Bus interface
 * (org.freedesktop.systemd1(5)). A connection for each request: who keeps one open is sent each
 * change of each unit. A scope ends by itself with its last process.
 */
#include <stdint.h>

#include "banger-netd/limits.h"

#define LIMITS_SCOPE_TIMEOUT_MS 5000

struct limits_manager; /* limits_bus.h */

/*
 * Does a manager answer that means by process ids what we mean? Fails with unavailable and says why
 * not. `managers`: those to try, in this order.
 */
int limits_scope_check(const struct limits_manager *managers, int timeout_ms, struct err *err);

/* As limits_place(): on success the job is done and the process is in the scope. */
int limits_scope_place(const struct limits_manager *managers, const struct limits_vm *vm,
	int timeout_ms, struct err *err);

/* Wait until the scope of a VM that is dead has ended, one that failed is forgotten. Fails with
 * unavailable when nobody answers, with busy when it stays. */
int limits_scope_remove(
	const struct limits_manager *managers, vm_id vm, int timeout_ms, struct err *err);
