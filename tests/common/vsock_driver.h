/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The other side of tests/fake/vsock: QEMU's, which speaks vhost-user, and that of a guest's
 * driver, with split rings in a piece of shared memory. What should not fail ends the test when it
 * does; what is waited for is waited for VSOCK_DRIVER_PATIENCE ms.
 */
#include <linux/vhost_types.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define VSOCK_DRIVER_CID       7
#define VSOCK_DRIVER_SIZE      16 /* of each ring */
#define VSOCK_DRIVER_MEMORY    (1U << 20)
#define VSOCK_DRIVER_GUEST_AT  UINT64_C(0x100000)
#define VSOCK_DRIVER_BUFFER    4096
#define VSOCK_DRIVER_PATIENCE  10000
#define VSOCK_DRIVER_FEATURES  (UINT64_C(1) << 32 | UINT64_C(1) << 30)
#define VSOCK_DRIVER_FIRST     (1U << 30) /* the host port given first */
#define VSOCK_DRIVER_HOST_PORT 6000	  /* where a test may listen */

enum { VSOCK_DRIVER_RX, VSOCK_DRIVER_TX, VSOCK_DRIVER_RINGS };

struct vsock_driver_ring {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t seen; /* of used */
	int kick, call;
};

struct vsock_driver {
	char dir[64], path[96];
	int vhost;
	uint8_t *memory;
	struct vsock_driver_ring rings[VSOCK_DRIVER_RINGS];
	struct vsock_backend *backend;
};

/* cmocka's: a backend in *state, told nothing yet. */
int vsock_driver_set_up(void **state);
int vsock_driver_tear_down(void **state);

/* ---- QEMU's side ---- */

/* A message, with an fd if `passed` is not NULL; its usual bodies. */
void vsock_driver_send_message(
	int fd, uint32_t request, const void *p, uint32_t n, const int *passed);
void vsock_driver_send_u64(int fd, uint32_t request, uint64_t v, const int *passed);
void vsock_driver_send_state(int fd, uint32_t request, unsigned ring, unsigned num);
/* The body of the answer to `request` into p; its size. */
uint32_t vsock_driver_answer(int fd, uint32_t request, void *p, size_t cap);

/* All that QEMU does when the guest's driver is there; its receive buffers. */
void vsock_driver_start(struct vsock_driver *m);

/* ---- the driver's ---- */

void vsock_driver_kick(struct vsock_driver_ring *r);
/* Has a buffer come back? The next that does within `ms`; false: none does. */
bool vsock_driver_is_there(const struct vsock_driver_ring *r);
bool vsock_driver_came_back(struct vsock_driver_ring *r, int ms, struct vring_used_elem *ret);

/* A packet from the guest's port to the host's, with room for 4096 bytes said. */
struct virtio_vsock_hdr vsock_driver_packet(uint16_t op, uint32_t host_port, uint32_t guest_port);
/* Send one, wait until it is taken: any; one without payload; data. */
void vsock_driver_send_packet(
	struct vsock_driver *m, const struct virtio_vsock_hdr *h, const void *p, size_t n);
void vsock_driver_say(struct vsock_driver *m, uint16_t op, uint32_t host_port, uint32_t guest_port);
void vsock_driver_send_data(
	struct vsock_driver *m, uint32_t host_port, uint32_t guest_port, const void *p, size_t n);

/* The next packet for the guest, its payload into p (VSOCK_DRIVER_BUFFER bytes; may be NULL). The
 * buffer is given back. `expect` has it be of this operation. */
struct virtio_vsock_hdr vsock_driver_hear(struct vsock_driver *m, void *p);
struct virtio_vsock_hdr vsock_driver_expect(struct vsock_driver *m, uint16_t op);

/* ---- the clients' ---- */

int vsock_driver_listen_at(const char *path);
/* A client that has sent `line`. */
int vsock_driver_dial(struct vsock_driver *m, const char *line);
/* What the next read of a client's gives, waited for; 0 is its end. */
ssize_t vsock_driver_receive(int fd, void *p, size_t n);
/* A connection of the host's to the guest's port 5000, up; the host's port will be `port`. */
int vsock_driver_connected(struct vsock_driver *m, uint32_t port);
