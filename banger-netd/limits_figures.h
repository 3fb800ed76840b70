/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* How much a VMM may take: the guest's share and the VMM's own. */
#include <stdint.h>

#include "banger-netd/limits.h"

struct limits_figures {
	uint64_t memory;   /* bytes, the guest's memory included; nothing of it swapped */
	uint32_t tasks;	   /* processes and threads */
	uint64_t cpu_usec; /* processor time a second */
};

void limits_figures(const struct limits_vm *vm, struct limits_figures *ret);

/* The names that are derived from a VM's id: "banger-vm-ID.scope" and "vm-ID". */
struct limits_name {
	char s[48];
};

struct limits_name limits_scope_name(vm_id vm);
struct limits_name limits_cgroup_name(vm_id vm);
