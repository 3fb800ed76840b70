/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/common/vsock_driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"
#include "tests/fake/vsock/backend.h"

#define QEMU_AT UINT64_C(0x7f0000000000)

/* Ring r lies at r * 64 KiB: descriptors, 16 KiB on avail, 16 KiB on used; the buffers behind all.
 */
static uint64_t buffer_at(int r, unsigned i)
{
	return 0x40000 + (uint64_t)r * 0x40000 + (uint64_t)i * VSOCK_DRIVER_BUFFER;
}

/* ---- QEMU's side ---- */

void vsock_driver_send_message(
	int fd, uint32_t request, const void *p, uint32_t n, const int *passed)
{
	uint32_t head[3] = { request, 1, n };
	struct iovec iov[] = { { head, sizeof(head) }, { (void *)(uintptr_t)p, n } };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };

	if (passed) {
		struct cmsghdr *c = (struct cmsghdr *)(void *)control;

		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), passed, sizeof(int));
	}
	assert_int_equal(sendmsg(fd, &m, MSG_NOSIGNAL), sizeof(head) + n);
}

uint32_t vsock_driver_answer(int fd, uint32_t request, void *p, size_t cap)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	uint32_t head[3];

	assert_int_equal(poll(&wait, 1, VSOCK_DRIVER_PATIENCE), 1);
	assert_int_equal(fd_read_full(fd, head, sizeof(head)), sizeof(head));
	assert_int_equal(head[0], request);
	assert_int_equal(head[1], 5);
	assert_true(head[2] <= cap);
	assert_int_equal(fd_read_full(fd, p, head[2]), head[2]);
	return head[2];
}

void vsock_driver_send_u64(int fd, uint32_t request, uint64_t v, const int *passed)
{
	vsock_driver_send_message(fd, request, &v, sizeof(v), passed);
}

void vsock_driver_send_state(int fd, uint32_t request, unsigned ring, unsigned num)
{
	struct vhost_vring_state s = { ring, num };

	vsock_driver_send_message(fd, request, &s, sizeof(s), NULL);
}

static void share_memory(struct vsock_driver *m)
{
	struct {
		uint32_t n, padding;
		uint64_t region[4];
	} table = { 1, 0, { VSOCK_DRIVER_GUEST_AT, VSOCK_DRIVER_MEMORY, QEMU_AT, 0 } };
	int fd = memfd_create("guest", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, VSOCK_DRIVER_MEMORY), 0);
	m->memory = mmap(NULL, VSOCK_DRIVER_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(m->memory, MAP_FAILED);
	vsock_driver_send_message(m->vhost, 5, &table, sizeof(table), &fd);
	close(fd);
}

static void set_up_ring(struct vsock_driver *m, unsigned r)
{
	struct vsock_driver_ring *ring = &m->rings[r];
	uint64_t at = r * UINT64_C(0x10000);
	struct vhost_vring_addr where = { .index = r,
		.desc_user_addr = QEMU_AT + at,
		.avail_user_addr = QEMU_AT + at + 0x4000,
		.used_user_addr = QEMU_AT + at + 0x8000 };

	ring->desc = (struct vring_desc *)(void *)(m->memory + at);
	ring->avail = (struct vring_avail *)(void *)(m->memory + at + 0x4000);
	ring->used = (struct vring_used *)(void *)(m->memory + at + 0x8000);
	ring->kick = eventfd(0, EFD_CLOEXEC);
	ring->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vsock_driver_send_state(m->vhost, 8, r, VSOCK_DRIVER_SIZE);
	vsock_driver_send_state(m->vhost, 10, r, 0);
	vsock_driver_send_message(m->vhost, 9, &where, sizeof(where), NULL);
	vsock_driver_send_u64(m->vhost, 13, r, &ring->call);
	vsock_driver_send_u64(m->vhost, 12, r, &ring->kick);
}

void vsock_driver_kick(struct vsock_driver_ring *r)
{
	uint64_t one = 1;

	assert_int_equal(write(r->kick, &one, sizeof(one)), sizeof(one));
}

/* ---- the driver ---- */

static void offer(struct vsock_driver *m, int r, uint16_t i, uint32_t len, uint16_t flags)
{
	struct vsock_driver_ring *ring = &m->rings[r];

	ring->desc[i] =
		(struct vring_desc){ VSOCK_DRIVER_GUEST_AT + buffer_at(r, i), len, flags, 0 };
	ring->avail->ring[ring->avail->idx % VSOCK_DRIVER_SIZE] = i;
	__atomic_store_n(&ring->avail->idx, (uint16_t)(ring->avail->idx + 1), __ATOMIC_RELEASE);
	vsock_driver_kick(ring);
}

bool vsock_driver_is_there(const struct vsock_driver_ring *r)
{
	return __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) != r->seen;
}

bool vsock_driver_came_back(struct vsock_driver_ring *r, int ms, struct vring_used_elem *ret)
{
	struct pollfd p = { .fd = r->call, .events = POLLIN };
	uint64_t count;

	while (!vsock_driver_is_there(r)) {
		if (poll(&p, 1, ms) <= 0)
			return false;
		assert_int_equal(read(r->call, &count, sizeof(count)), sizeof(count));
	}
	*ret = r->used->ring[r->seen++ % VSOCK_DRIVER_SIZE];
	return true;
}

void vsock_driver_send_packet(
	struct vsock_driver *m, const struct virtio_vsock_hdr *h, const void *p, size_t n)
{
	uint16_t i = m->rings[VSOCK_DRIVER_TX].avail->idx % VSOCK_DRIVER_SIZE;
	struct vring_used_elem e;

	memcpy(m->memory + buffer_at(VSOCK_DRIVER_TX, i), h, sizeof(*h));
	if (n > 0)
		memcpy(m->memory + buffer_at(VSOCK_DRIVER_TX, i) + sizeof(*h), p, n);
	offer(m, VSOCK_DRIVER_TX, i, (uint32_t)(sizeof(*h) + n), 0);
	assert_true(vsock_driver_came_back(&m->rings[VSOCK_DRIVER_TX], VSOCK_DRIVER_PATIENCE, &e));
}

struct virtio_vsock_hdr vsock_driver_packet(uint16_t op, uint32_t host_port, uint32_t guest_port)
{
	return (struct virtio_vsock_hdr){ .src_cid = VSOCK_DRIVER_CID,
		.dst_cid = 2,
		.src_port = guest_port,
		.dst_port = host_port,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.buf_alloc = 4096 };
}

void vsock_driver_say(struct vsock_driver *m, uint16_t op, uint32_t host_port, uint32_t guest_port)
{
	struct virtio_vsock_hdr h = vsock_driver_packet(op, host_port, guest_port);

	vsock_driver_send_packet(m, &h, NULL, 0);
}

void vsock_driver_send_data(
	struct vsock_driver *m, uint32_t host_port, uint32_t guest_port, const void *p, size_t n)
{
	struct virtio_vsock_hdr h = vsock_driver_packet(VIRTIO_VSOCK_OP_RW, host_port, guest_port);

	h.len = (uint32_t)n;
	vsock_driver_send_packet(m, &h, p, n);
}

struct virtio_vsock_hdr vsock_driver_hear(struct vsock_driver *m, void *p)
{
	struct virtio_vsock_hdr h;
	struct vring_used_elem e;

	assert_true(vsock_driver_came_back(&m->rings[VSOCK_DRIVER_RX], VSOCK_DRIVER_PATIENCE, &e));
	memcpy(&h, m->memory + buffer_at(VSOCK_DRIVER_RX, e.id), sizeof(h));
	assert_int_equal(e.len, sizeof(h) + h.len);
	assert_int_equal(h.src_cid, 2);
	assert_int_equal(h.dst_cid, VSOCK_DRIVER_CID);
	if (p)
		memcpy(p, m->memory + buffer_at(VSOCK_DRIVER_RX, e.id) + sizeof(h), h.len);
	offer(m, VSOCK_DRIVER_RX, (uint16_t)e.id, VSOCK_DRIVER_BUFFER, VRING_DESC_F_WRITE);
	return h;
}

struct virtio_vsock_hdr vsock_driver_expect(struct vsock_driver *m, uint16_t op)
{
	struct virtio_vsock_hdr h = vsock_driver_hear(m, NULL);

	assert_int_equal(h.op, op);
	return h;
}

/* ---- the machine ---- */

int vsock_driver_listen_at(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(str_copy(a.sun_path, sizeof(a.sun_path), path));
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 512), 0);
	return fd;
}

int vsock_driver_set_up(void **state)
{
	struct vsock_driver *m = calloc(1, sizeof(*m));
	int pair[2];

	strcpy(m->dir, "/tmp/test-vsock.XXXXXX");
	assert_non_null(mkdtemp(m->dir));
	str_format(m->path, sizeof(m->path), "%s/vsock", m->dir);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	m->vhost = pair[0];
	assert_int_equal(vsock_backend_start(pair[1], vsock_driver_listen_at(m->path), m->path,
				 VSOCK_DRIVER_CID, &m->backend),
		0);
	*state = m;
	return 0;
}

int vsock_driver_tear_down(void **state)
{
	struct vsock_driver *m = *state;
	char path[128];

	vsock_backend_stop(m->backend);
	close(m->vhost);
	for (int r = 0; r < VSOCK_DRIVER_RINGS && m->memory; r++) {
		close(m->rings[r].kick);
		close(m->rings[r].call);
	}
	if (m->memory)
		munmap(m->memory, VSOCK_DRIVER_MEMORY);
	str_format(path, sizeof(path), "%s_%d", m->path, VSOCK_DRIVER_HOST_PORT);
	unlink(path);
	unlink(m->path);
	assert_int_equal(rmdir(m->dir), 0);
	free(m);
	return 0;
}

void vsock_driver_start(struct vsock_driver *m)
{
	vsock_driver_send_u64(m->vhost, 2, VSOCK_DRIVER_FEATURES, NULL);
	share_memory(m);
	for (unsigned r = 0; r < VSOCK_DRIVER_RINGS; r++)
		set_up_ring(m, r);
	for (unsigned r = 0; r < VSOCK_DRIVER_RINGS; r++)
		vsock_driver_send_state(m->vhost, 18, r, 1);
	for (uint16_t i = 0; i < VSOCK_DRIVER_SIZE; i++)
		offer(m, VSOCK_DRIVER_RX, i, VSOCK_DRIVER_BUFFER, VRING_DESC_F_WRITE);
}

int vsock_driver_dial(struct vsock_driver *m, const char *line)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	str_copy(a.sun_path, sizeof(a.sun_path), m->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(send(fd, line, strlen(line), MSG_NOSIGNAL), strlen(line));
	return fd;
}

ssize_t vsock_driver_receive(int fd, void *p, size_t n)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&wait, 1, VSOCK_DRIVER_PATIENCE), 1);
	return recv(fd, p, n, 0);
}

int vsock_driver_connected(struct vsock_driver *m, uint32_t port)
{
	int fd = vsock_driver_dial(m, "CONNECT 5000\n");
	struct virtio_vsock_hdr h = vsock_driver_expect(m, VIRTIO_VSOCK_OP_REQUEST);
	char line[64] = "", ok[64];

	assert_int_equal(h.src_port, port);
	assert_int_equal(h.dst_port, 5000);
	vsock_driver_say(m, VIRTIO_VSOCK_OP_RESPONSE, port, 5000);
	str_format(ok, sizeof(ok), "OK %u\n", port);
	assert_int_equal(vsock_driver_receive(fd, line, sizeof(line)), strlen(ok));
	assert_string_equal(line, ok);
	return fd;
}
