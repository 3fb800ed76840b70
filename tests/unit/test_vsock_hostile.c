/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The vsock device for guests of tests, with front-ends, drivers and clients that do not keep to
 * the rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"
#include "tests/common/vsock_driver.h"

/* Packets that mean nothing. `op` is what is answered; 0: nothing is. */
static const struct odd {
	const char *what;
	uint64_t src_cid, dst_cid;
	uint16_t type, op, answer;
} odds[] = {
	{ "from another guest", VSOCK_DRIVER_CID + 1, 2, 1, VIRTIO_VSOCK_OP_REQUEST, 0 },
	{ "from the host", 2, 2, 1, VIRTIO_VSOCK_OP_REQUEST, 0 },
	{ "to another guest", VSOCK_DRIVER_CID, VSOCK_DRIVER_CID + 1, 1, VIRTIO_VSOCK_OP_REQUEST,
		0 },
	{ "no stream", VSOCK_DRIVER_CID, 2, 7, VIRTIO_VSOCK_OP_REQUEST, VIRTIO_VSOCK_OP_RST },
	{ "no operation", VSOCK_DRIVER_CID, 2, 1, 0, VIRTIO_VSOCK_OP_RST },
	{ "unknown operation", VSOCK_DRIVER_CID, 2, 1, 999, VIRTIO_VSOCK_OP_RST },
	{ "data of no connection", VSOCK_DRIVER_CID, 2, 1, VIRTIO_VSOCK_OP_RW,
		VIRTIO_VSOCK_OP_RST },
	{ "response to nothing", VSOCK_DRIVER_CID, 2, 1, VIRTIO_VSOCK_OP_RESPONSE,
		VIRTIO_VSOCK_OP_RST },
	{ "reset of nothing", VSOCK_DRIVER_CID, 2, 1, VIRTIO_VSOCK_OP_RST, 0 },
};

static void test_odd_packets(void **state)
{
	struct vsock_driver *m = *state;

	vsock_driver_start(m);
	for (size_t i = 0; i < ARRAY_SIZE(odds); i++) {
		const struct odd *o = &odds[i];
		struct virtio_vsock_hdr h = vsock_driver_packet(o->op, 77, 88);

		h.src_cid = o->src_cid;
		h.dst_cid = o->dst_cid;
		h.type = o->type;
		h.len = UINT32_MAX;
		print_message("%s\n", o->what);
		vsock_driver_send_packet(m, &h, NULL, 0);
		if (o->answer) {
			h = vsock_driver_expect(m, o->answer);
			assert_int_equal(h.src_port, 77);
			assert_int_equal(h.dst_port, 88);
		}
	}
	close(vsock_driver_connected(m, VSOCK_DRIVER_FIRST));
}

/* A connection's packet that lies of its length, or comes at the wrong time. */
static void test_odd_in_connection(void **state)
{
	static const uint16_t ops[] = { VIRTIO_VSOCK_OP_REQUEST, VIRTIO_VSOCK_OP_RESPONSE, 999,
		VIRTIO_VSOCK_OP_RW };
	struct vsock_driver *m = *state;
	char c;

	vsock_driver_start(m);
	for (uint32_t i = 0; i < ARRAY_SIZE(ops); i++) {
		int fd = vsock_driver_connected(m, VSOCK_DRIVER_FIRST + i);
		struct virtio_vsock_hdr h =
			vsock_driver_packet(ops[i], VSOCK_DRIVER_FIRST + i, 5000);

		h.len = 60000; /* and nothing behind the header */
		vsock_driver_send_packet(m, &h, NULL, 0);
		vsock_driver_expect(m, VIRTIO_VSOCK_OP_RST);
		assert_int_equal(vsock_driver_receive(fd, &c, 1), 0);
		close(fd);
	}
}

/* More refusals than are kept: the guest waits for them to be read, nothing is lost. */
static void test_flood_of_refusals(void **state)
{
	struct vsock_driver *m = *state;
	unsigned refused = 0;

	vsock_driver_start(m);
	for (uint32_t i = 0; i < 2000; i++) {
		vsock_driver_say(m, VIRTIO_VSOCK_OP_RW, 77, i);
		for (; vsock_driver_is_there(&m->rings[VSOCK_DRIVER_RX]); refused++)
			vsock_driver_expect(m, VIRTIO_VSOCK_OP_RST);
	}
	for (; refused < 2000; refused++)
		vsock_driver_expect(m, VIRTIO_VSOCK_OP_RST);
}

/* Rings that lead astray: the device stands still, and can be ended. */
static void break_index(struct vsock_driver *m)
{
	m->rings[VSOCK_DRIVER_TX].avail->idx = VSOCK_DRIVER_SIZE + 1;
}

static void break_head(struct vsock_driver *m)
{
	m->rings[VSOCK_DRIVER_TX].avail->ring[0] = VSOCK_DRIVER_SIZE;
	m->rings[VSOCK_DRIVER_TX].avail->idx = 1;
}

static void put_first(struct vsock_driver *m, struct vring_desc d)
{
	m->rings[VSOCK_DRIVER_TX].desc[0] = d;
	m->rings[VSOCK_DRIVER_TX].avail->ring[0] = 0;
	m->rings[VSOCK_DRIVER_TX].avail->idx = 1;
}

static void break_loop(struct vsock_driver *m)
{
	put_first(m, (struct vring_desc){ VSOCK_DRIVER_GUEST_AT, 8, VRING_DESC_F_NEXT, 0 });
}

static void break_next(struct vsock_driver *m)
{
	put_first(m, (struct vring_desc){
			     VSOCK_DRIVER_GUEST_AT, 8, VRING_DESC_F_NEXT, VSOCK_DRIVER_SIZE });
}

static void break_address(struct vsock_driver *m)
{
	put_first(
		m, (struct vring_desc){ VSOCK_DRIVER_GUEST_AT + VSOCK_DRIVER_MEMORY - 4, 8, 0, 0 });
}

static void break_length(struct vsock_driver *m)
{
	put_first(m, (struct vring_desc){ VSOCK_DRIVER_GUEST_AT, UINT32_MAX, 0, 0 });
}

static void break_wrap(struct vsock_driver *m)
{
	put_first(m, (struct vring_desc){ UINT64_MAX - 3, 8, 0, 0 });
}

static void break_direction(struct vsock_driver *m)
{
	put_first(m, (struct vring_desc){ VSOCK_DRIVER_GUEST_AT, 64, VRING_DESC_F_WRITE, 0 });
}

static void break_indirect(struct vsock_driver *m)
{
	put_first(m, (struct vring_desc){ VSOCK_DRIVER_GUEST_AT, 64, VRING_DESC_F_INDIRECT, 0 });
}

static const struct {
	const char *what;
	void (*make)(struct vsock_driver *m);
} broken[] = {
	{ "an index too far", break_index },
	{ "a head outside", break_head },
	{ "a loop", break_loop },
	{ "a next outside", break_next },
	{ "an address outside", break_address },
	{ "a length outside", break_length },
	{ "an address that wraps", break_wrap },
	{ "the wrong direction", break_direction },
	{ "indirect, not negotiated", break_indirect },
};

static void test_broken_rings(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		struct vring_used_elem e;
		struct vsock_driver *m;
		void *fresh;

		print_message("%s\n", broken[i].what);
		vsock_driver_set_up(&fresh);
		m = fresh;
		vsock_driver_start(m);
		broken[i].make(m);
		vsock_driver_kick(&m->rings[VSOCK_DRIVER_TX]);
		assert_false(vsock_driver_came_back(&m->rings[VSOCK_DRIVER_TX], 100, &e));
		vsock_driver_tear_down(&fresh);
	}
}

/* A front-end that does not keep to the protocol is left: clients find nobody. */
static void test_bad_front_end(void **state)
{
	static const struct {
		uint32_t head[3], body[4];
		size_t n;
	} bad[] = {
		{ { 1, 2, 0 }, { 0 }, 12 },			 /* another version */
		{ { 99, 1, 0 }, { 0 }, 12 },			 /* no such request */
		{ { 1, 5, 0 }, { 0 }, 12 },			 /* an answer */
		{ { 2, 1, UINT32_MAX }, { 0 }, 12 },		 /* a length that lies */
		{ { 2, 1, 8 }, { UINT32_MAX, UINT32_MAX }, 20 }, /* features never offered */
		{ { 8, 1, 8 }, { 2, 16 }, 20 },			 /* a third ring */
		{ { 8, 1, 8 }, { 0, 17 }, 20 },			 /* no power of two */
		{ { 8, 1, 8 }, { 0, 1U << 31 }, 20 },		 /* too large */
		{ { 12, 1, 8 }, { 0, 0 }, 20 },			 /* a kick without its fd */
		{ { 5, 1, 8 }, { 8, 0 }, 20 },			 /* regions that are not there */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct vsock_driver *m;
		struct pollfd p;
		void *fresh;

		vsock_driver_set_up(&fresh);
		m = fresh;
		assert_int_equal(send(m->vhost, &bad[i], bad[i].n, MSG_NOSIGNAL), bad[i].n);
		p = (struct pollfd){ .fd = m->vhost, .events = POLLIN };
		assert_int_equal(poll(&p, 1, VSOCK_DRIVER_PATIENCE), 1);
		assert_int_equal(recv(m->vhost, &p, sizeof(p), 0), 0);
		vsock_driver_tear_down(&fresh);
	}
}

/* Silent clients take every place; they are closed, and there is room for others when they go. */
static void test_flood_of_clients(void **state)
{
	struct vsock_driver *m = *state;
	int silent[300], kept;
	char bytes[VSOCK_DRIVER_BUFFER];

	vsock_driver_start(m);
	kept = vsock_driver_connected(m, VSOCK_DRIVER_FIRST);
	for (size_t i = 0; i < ARRAY_SIZE(silent); i++)
		silent[i] = vsock_driver_dial(m, "");
	assert_int_equal(vsock_driver_receive(silent[ARRAY_SIZE(silent) - 1], bytes, 1), 0);
	assert_int_equal(send(kept, "still", 5, 0), 5);
	assert_int_equal(vsock_driver_hear(m, bytes).len, 5);
	fd_close_many(silent, ARRAY_SIZE(silent));
	close(vsock_driver_connected(m, VSOCK_DRIVER_FIRST + 1));
	close(kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_odd_packets, vsock_driver_set_up, vsock_driver_tear_down),
		cmocka_unit_test_setup_teardown(
			test_odd_in_connection, vsock_driver_set_up, vsock_driver_tear_down),
		cmocka_unit_test_setup_teardown(
			test_flood_of_refusals, vsock_driver_set_up, vsock_driver_tear_down),
		cmocka_unit_test(test_broken_rings),
		cmocka_unit_test(test_bad_front_end),
		cmocka_unit_test_setup_teardown(
			test_flood_of_clients, vsock_driver_set_up, vsock_driver_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
