/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Whether this host can run a VM, said before anything is made. */
#include "bangerd/vm.h"
#include "bangerd/vmm_choice.h"

/* What a VM gets that did not ask: of the host's CPUs and memory. */
uint8_t vm_default_vcpus(long host_cpus);
uint32_t vm_default_memory_mib(uint64_t host_mib);

/* The same of this host and its settings. Fails when /proc/meminfo cannot be read. */
struct vm_defaults {
	uint8_t vcpus;
	uint32_t memory_mib;
	uint64_t work_size; /* bytes; 0: no work disk */
	uint64_t disk_size; /* bytes; at least the image's */
};
int vm_defaults(struct vms *vms, struct vm_defaults *ret, struct err *err);

/* MemTotal and MemAvailable of a /proc/meminfo text, in MiB; false when it is not one. */
bool vm_parse_meminfo(const char *meminfo, uint64_t *ret_total, uint64_t *ret_available);
int vm_host_memory(struct vms *vms, uint64_t *ret_total, uint64_t *ret_available, struct err *err);

/* Sizes of disks as a VM can have them, whole blocks of a file system: row->work_size, which is as
 * wished; and row->disk_size, from what was asked for (0: `usual`, and at least the image's). Fails
 * with bad_request. */
int vm_size_disks(
	struct vm_row *row, uint64_t asked, uint64_t usual, uint64_t image_size, struct err *err);

/*
 * The VMM (as of host_choose()), free memory for a row; and, when `image` (its file) is not -1,
 * free disk space for a new disk of it. Fails as vmm_choose(), with no_space or quota_exceeded, and
 * says what to do.
 */
int vm_check(struct vms *vms, const struct vm_row *row, int image, struct vmm_choice *ret,
	struct err *err);
