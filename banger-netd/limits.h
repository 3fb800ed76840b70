/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What a VMM may take of the host as a whole, memory, tasks and processor time, besides the rlimits
 * that each has: a transient scope where systemd runs, else a cgroup v2 tree of banger's own, else
 * nothing more. Launch's part: it holds the child, and is as strong as the service manager's socket
 * makes whoever may write to it; netd proper is not.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/enums.h"
#include "common/err.h"
#include "common/types.h"

struct limits_vm {
	vm_id vm;
	pid_t pid; /* a child of ours that has not run guest code yet */
	enum vmm_kind vmm;
	bool kvm;
	uint8_t vcpus;
	uint32_t memory; /* MiB, of the guest */
};

struct limits_host;

/* Choose what this host has, once, and clear away what dead VMs left of it. Fails for lack of
 * memory alone. */
int limits_open(struct limits_host **ret, struct err *err);
void limits_close(struct limits_host *l); /* NULL is allowed; running VMs stay limited */

enum limits limits_kind(const struct limits_host *l);

/* Why there is nothing better than rlimits; "" when there is. The host's own. */
const char *limits_problem(const struct limits_host *l);

/* Put a VM's process under its limits; they are in force on success, and nothing of them is left
 * on failure once the process is dead. Takes at most some 5 s. */
int limits_place(struct limits_host *l, const struct limits_vm *vm, struct err *err);

/* Take away what limited VMs whose processes are all dead; how many. (Scopes go by themselves.) */
int limits_sweep(struct limits_host *l, unsigned *ret, struct err *err);

/* Take away what limited a VM, all of whose processes are dead; none is fine. Fails with busy when
 * something still lives there. */
int limits_remove(struct limits_host *l, vm_id vm, struct err *err);
