/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The vsock device for guests of tests, with a front-end and driver that keep to the rules. */
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

static void test_config(void **state)
{
	struct vsock_driver *m = *state;
	struct {
		uint32_t at, size, flags;
		uint64_t cid;
	} __attribute__((packed)) config = { 0, 8, 0, 0 };
	uint64_t features;

	vsock_driver_send_u64(m->vhost, 1, 0, NULL);
	assert_int_equal(
		vsock_driver_answer(m->vhost, 1, &features, sizeof(features)), sizeof(features));
	assert_int_equal(features & VSOCK_DRIVER_FEATURES, VSOCK_DRIVER_FEATURES);
	vsock_driver_send_message(m->vhost, 24, &config, sizeof(config), NULL);
	assert_int_equal(
		vsock_driver_answer(m->vhost, 24, &config, sizeof(config)), sizeof(config));
	assert_int_equal(config.cid, VSOCK_DRIVER_CID);
	config.at = 4;
	vsock_driver_send_message(m->vhost, 24, &config, sizeof(config), NULL);
	assert_int_equal(vsock_driver_answer(m->vhost, 24, &config, sizeof(config)), 0);
}

static void test_host_to_guest(void **state)
{
	struct vsock_driver *m = *state;
	char bytes[VSOCK_DRIVER_BUFFER];
	struct virtio_vsock_hdr h;
	int fd;

	vsock_driver_start(m);
	fd = vsock_driver_connected(m, VSOCK_DRIVER_FIRST);
	assert_int_equal(send(fd, "to you", 6, 0), 6);
	h = vsock_driver_hear(m, bytes);
	assert_int_equal(h.op, VIRTIO_VSOCK_OP_RW);
	assert_memory_equal(bytes, "to you", 6);
	vsock_driver_send_data(m, VSOCK_DRIVER_FIRST, 5000, "to me", 5);
	assert_int_equal(vsock_driver_receive(fd, bytes, sizeof(bytes)), 5);
	assert_memory_equal(bytes, "to me", 5);
	/* The guest closes: what it sent comes first. */
	vsock_driver_send_data(m, VSOCK_DRIVER_FIRST, 5000, "last", 4);
	h = vsock_driver_packet(VIRTIO_VSOCK_OP_SHUTDOWN, VSOCK_DRIVER_FIRST, 5000);
	h.flags = 3;
	vsock_driver_send_packet(m, &h, NULL, 0);
	vsock_driver_expect(m, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(vsock_driver_receive(fd, bytes, sizeof(bytes)), 4);
	assert_int_equal(vsock_driver_receive(fd, bytes, sizeof(bytes)), 0);
	close(fd);
	/* The host closes; a port is not given twice in a row. */
	fd = vsock_driver_connected(m, VSOCK_DRIVER_FIRST + 1);
	close(fd);
	h = vsock_driver_expect(m, VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(h.flags, 3);
	vsock_driver_say(m, VIRTIO_VSOCK_OP_RST, VSOCK_DRIVER_FIRST + 1, 5000);
}

static void test_refused(void **state)
{
	static const char *const bad[] = { "CONNECT\n", "connect 5000\n", "CONNECT -1\n",
		"CONNECT 4294967296\n", "CONNECT 5000 \n", "GET / HTTP/1.1\r\n",
		"CONNECT 50000000000000000000000000000000000000000" };
	struct vsock_driver *m = *state;
	char c;
	int fd;

	/* It waits for a driver. */
	fd = vsock_driver_dial(m, "CONNECT 5000\n");
	vsock_driver_start(m);
	vsock_driver_expect(m, VIRTIO_VSOCK_OP_REQUEST);
	vsock_driver_say(m, VIRTIO_VSOCK_OP_RST, VSOCK_DRIVER_FIRST, 5000);
	assert_int_equal(vsock_driver_receive(fd, &c, 1), 0);
	close(fd);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		fd = vsock_driver_dial(m, bad[i]);
		assert_true(vsock_driver_receive(fd, &c, 1) <= 0);
		close(fd);
	}
	close(vsock_driver_connected(m, VSOCK_DRIVER_FIRST + 1));
}

/* Neither side sends what the other has no room for. */
static void test_credit(void **state)
{
	struct vsock_driver *m = *state;
	static char bytes[70000];
	struct virtio_vsock_hdr h;
	size_t got = 0;
	int fd;

	vsock_driver_start(m);
	fd = vsock_driver_connected(m, VSOCK_DRIVER_FIRST);
	assert_int_equal(send(fd, bytes, 5000, 0), 5000);
	while ((h = vsock_driver_hear(m, bytes)).op == VIRTIO_VSOCK_OP_RW)
		got += h.len;
	assert_int_equal(h.op, VIRTIO_VSOCK_OP_CREDIT_REQUEST);
	assert_int_equal(got, 4096);
	h = vsock_driver_packet(VIRTIO_VSOCK_OP_CREDIT_UPDATE, VSOCK_DRIVER_FIRST, 5000);
	h.fwd_cnt = 4096;
	vsock_driver_send_packet(m, &h, NULL, 0);
	h = vsock_driver_expect(m, VIRTIO_VSOCK_OP_RW);
	assert_int_equal(h.len, 904);
	/* A guest that says it took more than it was sent has no room. */
	h = vsock_driver_packet(VIRTIO_VSOCK_OP_CREDIT_UPDATE, VSOCK_DRIVER_FIRST, 5000);
	h.fwd_cnt = UINT32_MAX;
	vsock_driver_send_packet(m, &h, NULL, 0);
	/* The client reads nothing: what a socket takes, then 64 KiB, then it is over. */
	for (got = 0, h.op = 0; got < (8U << 20) && h.op != VIRTIO_VSOCK_OP_RST; got += 4000) {
		h = vsock_driver_packet(VIRTIO_VSOCK_OP_RW, VSOCK_DRIVER_FIRST, 5000);
		h.fwd_cnt = 5000;
		h.len = 4000;
		vsock_driver_send_packet(m, &h, bytes, 4000);
		while (h.op != VIRTIO_VSOCK_OP_RST &&
			vsock_driver_is_there(&m->rings[VSOCK_DRIVER_RX]))
			h = vsock_driver_hear(m, NULL);
	}
	assert_int_equal(h.op, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(h.dst_port, 5000);
	close(fd);
}

static void test_guest_to_host(void **state)
{
	struct vsock_driver *m = *state;
	char path[128], bytes[16];
	struct virtio_vsock_hdr h;
	int listener, fd;

	vsock_driver_start(m);
	vsock_driver_say(m, VIRTIO_VSOCK_OP_REQUEST, VSOCK_DRIVER_HOST_PORT, 900);
	h = vsock_driver_expect(m, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(h.src_port, VSOCK_DRIVER_HOST_PORT);
	assert_int_equal(h.dst_port, 900);
	str_format(path, sizeof(path), "%s_%d", m->path, VSOCK_DRIVER_HOST_PORT);
	listener = vsock_driver_listen_at(path);
	vsock_driver_say(m, VIRTIO_VSOCK_OP_REQUEST, VSOCK_DRIVER_HOST_PORT, 901);
	vsock_driver_expect(m, VIRTIO_VSOCK_OP_RESPONSE);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	vsock_driver_send_data(m, VSOCK_DRIVER_HOST_PORT, 901, "out", 3);
	assert_int_equal(vsock_driver_receive(fd, bytes, sizeof(bytes)), 3);
	/* The same once more: that one is over. */
	vsock_driver_say(m, VIRTIO_VSOCK_OP_REQUEST, VSOCK_DRIVER_HOST_PORT, 901);
	vsock_driver_expect(m, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(vsock_driver_receive(fd, bytes, sizeof(bytes)), 0);
	close(fd);
	close(listener);
}

/* Stopped (a pause of the machine) and started again where it was. */
static void test_pause(void **state)
{
	struct vsock_driver *m = *state;
	struct vhost_vring_state base;
	char bytes[VSOCK_DRIVER_BUFFER];
	int fd;

	vsock_driver_start(m);
	fd = vsock_driver_connected(m, VSOCK_DRIVER_FIRST);
	for (unsigned r = 0; r < VSOCK_DRIVER_RINGS; r++) {
		vsock_driver_send_state(m->vhost, 11, r, 0);
		assert_int_equal(
			vsock_driver_answer(m->vhost, 11, &base, sizeof(base)), sizeof(base));
		assert_int_equal(base.num, r == VSOCK_DRIVER_RX
						   ? m->rings[VSOCK_DRIVER_RX].seen
						   : m->rings[VSOCK_DRIVER_TX].avail->idx);
	}
	assert_int_equal(send(fd, "late", 4, 0), 4);
	for (unsigned r = 0; r < VSOCK_DRIVER_RINGS; r++) {
		vsock_driver_send_state(m->vhost, 10, r,
			r == VSOCK_DRIVER_RX ? m->rings[VSOCK_DRIVER_RX].seen
					     : m->rings[VSOCK_DRIVER_TX].seen);
		vsock_driver_send_u64(m->vhost, 12, r, &m->rings[r].kick);
	}
	assert_int_equal(vsock_driver_hear(m, bytes).op, VIRTIO_VSOCK_OP_RW);
	assert_memory_equal(bytes, "late", 4);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_config, vsock_driver_set_up, vsock_driver_tear_down),
		cmocka_unit_test_setup_teardown(
			test_host_to_guest, vsock_driver_set_up, vsock_driver_tear_down),
		cmocka_unit_test_setup_teardown(
			test_refused, vsock_driver_set_up, vsock_driver_tear_down),
		cmocka_unit_test_setup_teardown(
			test_credit, vsock_driver_set_up, vsock_driver_tear_down),
		cmocka_unit_test_setup_teardown(
			test_guest_to_host, vsock_driver_set_up, vsock_driver_tear_down),
		cmocka_unit_test_setup_teardown(
			test_pause, vsock_driver_set_up, vsock_driver_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
