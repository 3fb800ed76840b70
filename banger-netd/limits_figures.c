/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/limits_figures.h"

#include "common/str.h"

#define MIB (1ULL << 20)

/* Firecracker's own is 5 MiB (its SPECIFICATION.md); a guest that floods its vsock makes it keep 64
 * KiB for each of up to 1023 connections. */
#define FIRECRACKER_OWN (128 * MIB)

/* QEMU's own with libraries is some 60 MiB; to that come up to 64 threads for the disk with a
 * request each, and what the channels hold. */
#define QEMU_OWN (256 * MIB)

/* TCG's buffer for translated code (QEMU's default, filled as the guest runs more code), and what
 * it keeps of each guest page that it has translated. */
#define QEMU_TCG (1024 * MIB + 128 * MIB)

/* The kernel accounts page tables too: 8 bytes for each 4 KiB, once for the process and once for
 * the guest, make 1/256. */
#define PAGE_TABLES_SHARE 128

/* Besides a thread for each vcpu: QEMU's 64 for the disk, and main loops, signals, RCU. */
#define TASKS_OWN 80

/* Besides the vcpus the VMM's own threads, which serve disk and network, take one processor. */
#define CPUS_OWN     1
#define USEC_PER_SEC 1000000ULL

void limits_figures(const struct limits_vm *vm, struct limits_figures *ret)
{
	uint64_t guest = vm->memory * MIB;

	ret->memory = guest + guest / PAGE_TABLES_SHARE;
	ret->memory += vm->vmm == vmm_kind_firecracker ? FIRECRACKER_OWN : QEMU_OWN;
	if (vm->vmm != vmm_kind_firecracker && !vm->kvm)
		ret->memory += QEMU_TCG;
	ret->tasks = vm->vcpus + TASKS_OWN;
	ret->cpu_usec = (vm->vcpus + CPUS_OWN) * USEC_PER_SEC;
}

struct limits_name limits_scope_name(vm_id vm)
{
	struct limits_name name;

	str_format(name.s, sizeof(name.s), "banger-vm-%s.scope", vm.s);
	return name;
}

struct limits_name limits_cgroup_name(vm_id vm)
{
	struct limits_name name;

	str_format(name.s, sizeof(name.s), "vm-%s", vm.s);
	return name;
}
