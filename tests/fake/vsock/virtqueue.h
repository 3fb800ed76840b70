/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The device's side of a split virtqueue (virtio 1.2, 2.7), with indirect descriptors and event
 * indices when the driver took them. A ring that breaks the rules is broken for good: nothing more
 * is taken out of it.
 */
#include <linux/vhost_types.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "tests/fake/vsock/guest_memory.h"

#define VIRTQUEUE_SIZE_MAX     1024
#define VIRTQUEUE_SEGMENTS_MAX 64

struct virtqueue {
	const struct guest_memory *memory;
	unsigned size;
	struct vhost_vring_addr where; /* in QEMU's addresses */
	bool located, enabled, broken;
	bool event_idx, indirect;
	int kick, call; /* -1: none */
	uint16_t next;	/* of avail */
	uint16_t used;	/* the index after the last we gave back */
	uint16_t told;	/* `used` at the last notification */
	/* NULL while the ring does not run. */
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used_ring;
};

/* A chain of buffers, all for the device to read or all for it to write. */
struct virtqueue_chain {
	uint16_t head;
	struct iovec v[VIRTQUEUE_SEGMENTS_MAX];
	size_t n, bytes;
};

/* Look up where the ring is, after anything of size, addresses, memory or kick changed. It runs
 * when all of that is there and it is enabled; virtqueue_runs() says so. */
void virtqueue_update(struct virtqueue *r);
bool virtqueue_runs(const struct virtqueue *r);

/* Take the next chain: 1, 0 when there is none (the driver will kick when there is), -1 when the
 * ring is broken. `writable`: of the kind the device writes to. */
int virtqueue_pop(struct virtqueue *r, bool writable, struct virtqueue_chain *ret);
/* Give the last chain back untouched: the next pop takes it again. */
void virtqueue_unpop(struct virtqueue *r);

/* The chain is done with, `written` bytes were put into it. */
void virtqueue_push(struct virtqueue *r, const struct virtqueue_chain *c, uint32_t written);
/* Tell the driver of what was pushed, if it wants to hear. */
void virtqueue_notify(struct virtqueue *r);

/* Copy between a chain, from `at` bytes into it, and a buffer; false when it is too short. */
bool virtqueue_chain_read(const struct virtqueue_chain *c, size_t at, void *p, size_t n);
bool virtqueue_chain_write(const struct virtqueue_chain *c, size_t at, const void *p, size_t n);
/* The part of a chain from `at` on, at most n bytes, as segments; how many. */
size_t virtqueue_chain_part(
	const struct virtqueue_chain *c, size_t at, size_t n, struct iovec *ret);
