/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The back-end's end of a vhost-user connection (QEMU's docs/interop/vhost-user) for a vsock
 * device: two rings, features, a configuration space of which the guest's CID is all.
 */
#include <stdint.h>

#include "tests/fake/vsock/guest_memory.h"
#include "tests/fake/vsock/virtqueue.h"

/* Virtio 1.2, 5.10.2; the event queue (2) is QEMU's own. */
enum { VHOST_USER_RX, VHOST_USER_TX, VHOST_USER_RINGS };

struct vhost_user {
	int fd;
	uint64_t guest_cid, features, protocol_features;
	struct guest_memory memory;
	struct virtqueue rings[VHOST_USER_RINGS];
	/* A ring's kick is about to change from one fd to another, each -1 for none. */
	void (*on_kick_fd)(void *ctx, unsigned ring, int old, int new);
	void *ctx;
};

/* `fd` becomes the connection's. */
void vhost_user_init(struct vhost_user *v, int fd, uint64_t guest_cid,
	void (*on_kick_fd)(void *, unsigned, int, int), void *ctx);
void vhost_user_finish(struct vhost_user *v);

/* Take one message that is there, and answer it. -1 when QEMU is gone or does not keep to the
 * protocol: the device is over. */
int vhost_user_take(struct vhost_user *v);
