/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The guest's memory as vhost-user hands it over: a few regions, each mapped from an fd, known by
 * the guest's physical addresses (what descriptors hold) and by QEMU's own (what says where rings
 * are). Everything in it changes while it is looked at: copy, then check, then use the copy.
 */
#include <stddef.h>
#include <stdint.h>

#define GUEST_MEMORY_REGIONS 8

/* As on the wire (docs/interop/vhost-user, "Memory region description"). */
struct guest_memory_region {
	uint64_t guest, size, user, offset;
};

struct guest_memory {
	struct {
		struct guest_memory_region where;
		uint8_t *map; /* of offset + size bytes */
	} v[GUEST_MEMORY_REGIONS];
	size_t n;
};

/* Replace all regions by these n, mapped from fds[], which stay the caller's. -1 with errno
 * (EINVAL: a region that overflows, or is larger than its file); the old ones are gone in any case.
 */
int guest_memory_set(
	struct guest_memory *m, const struct guest_memory_region *v, const int *fds, size_t n);
void guest_memory_finish(struct guest_memory *m);

/* n bytes at a guest's physical address, or at one of QEMU's; NULL when no region holds them all.
 */
void *guest_memory_at(const struct guest_memory *m, uint64_t guest, uint64_t n);
void *guest_memory_at_user(const struct guest_memory *m, uint64_t user, uint64_t n);
