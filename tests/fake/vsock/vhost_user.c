/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/vsock/vhost_user.h"

#include <errno.h>
#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"

#define VERSION		  1U
#define VERSION_MASK	  3U
#define FLAG_REPLY	  4U
#define F_PROTOCOL	  (UINT64_C(1) << 30)
#define PROTOCOL_F_CONFIG (UINT64_C(1) << 9)
#define RING_MASK	  0xffU
#define CONFIG_HEADER	  12U
#define NO_FD		  (UINT64_C(1) << 8)

#define FEATURES                                             \
	(UINT64_C(1) << VIRTIO_F_VERSION_1 | F_PROTOCOL |    \
		UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC | \
		UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX)

enum request {
	GET_FEATURES = 1,
	SET_FEATURES,
	SET_OWNER,
	RESET_OWNER,
	SET_MEM_TABLE,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR,
	SET_VRING_BASE,
	GET_VRING_BASE,
	SET_VRING_KICK,
	SET_VRING_CALL,
	SET_VRING_ERR,
	GET_PROTOCOL_FEATURES,
	SET_PROTOCOL_FEATURES,
	SET_VRING_ENABLE = 18,
	GET_CONFIG = 24,
};

struct message {
	struct {
		uint32_t request, flags, size;
	} head;
	union {
		uint64_t u64;
		struct vhost_vring_state state;
		struct vhost_vring_addr addr;
		struct {
			uint32_t n, padding;
			struct guest_memory_region v[GUEST_MEMORY_REGIONS];
		} memory;
		struct {
			uint32_t offset, size, flags;
			uint8_t bytes[sizeof(struct virtio_vsock_config)];
		} config;
	} body;
	int fds[GUEST_MEMORY_REGIONS];
	size_t n_fds;
};

void vhost_user_init(struct vhost_user *v, int fd, uint64_t guest_cid,
	void (*on_kick_fd)(void *, unsigned, int, int), void *ctx)
{
	*v = (struct vhost_user){
		.fd = fd, .guest_cid = guest_cid, .on_kick_fd = on_kick_fd, .ctx = ctx
	};
	for (size_t i = 0; i < VHOST_USER_RINGS; i++)
		v->rings[i] = (struct virtqueue){
			.memory = &v->memory, .enabled = true, .kick = -1, .call = -1
		};
}

static void set_kick(struct vhost_user *v, unsigned ring, int fd)
{
	struct virtqueue *r = &v->rings[ring];

	v->on_kick_fd(v->ctx, ring, r->kick, fd);
	fd_closep(&r->kick);
	r->kick = fd;
}

void vhost_user_finish(struct vhost_user *v)
{
	for (unsigned i = 0; i < VHOST_USER_RINGS; i++) {
		set_kick(v, i, -1);
		fd_closep(&v->rings[i].call);
		virtqueue_update(&v->rings[i]);
	}
	guest_memory_finish(&v->memory);
	fd_closep(&v->fd);
}

/* ---- messages ---- */

static void take_fds(struct msghdr *m, struct message *ret)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(ret->fds, CMSG_DATA(c), n * sizeof(int));
		ret->n_fds = n;
	}
}

/* One message. The fds come with its first byte. */
static int receive(int fd, struct message *ret)
{
	struct iovec iov = { &ret->head, sizeof(ret->head) };
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(ret->fds))];
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	/* QEMU writes a message whole: a half one does not become more by waiting. */
	struct timeval second = { .tv_sec = 1 };
	ssize_t n;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second)) < 0 ||
		recvmsg(fd, &m, MSG_WAITALL | MSG_CMSG_CLOEXEC) != sizeof(ret->head))
		return -1;
	take_fds(&m, ret);
	if (m.msg_flags & MSG_CTRUNC || (ret->head.flags & VERSION_MASK) != VERSION ||
		ret->head.flags & FLAG_REPLY || ret->head.size > sizeof(ret->body))
		return -1;
	if (ret->head.size == 0)
		return 0; /* to receive nothing is to wait all the same */
	n = recv(fd, &ret->body, ret->head.size, MSG_WAITALL);
	return n == (ssize_t)ret->head.size ? 0 : -1;
}

static int reply(struct vhost_user *v, struct message *m, size_t size)
{
	struct iovec iov[] = { { &m->head, sizeof(m->head) }, { &m->body, size } };
	struct msghdr out = { .msg_iov = iov, .msg_iovlen = 2 };

	m->head.flags = VERSION | FLAG_REPLY;
	m->head.size = (uint32_t)size;
	return sendmsg(v->fd, &out, MSG_NOSIGNAL) == (ssize_t)(sizeof(m->head) + size) ? 0 : -1;
}

static int reply_u64(struct vhost_user *v, struct message *m, uint64_t value)
{
	m->body.u64 = value;
	return reply(v, m, sizeof(value));
}

/* ---- what they ask for ---- */

static void update(struct vhost_user *v)
{
	for (size_t i = 0; i < VHOST_USER_RINGS; i++)
		virtqueue_update(&v->rings[i]);
}

static int set_features(struct vhost_user *v, uint64_t features)
{
	if (features & ~FEATURES)
		return -1;
	/* With the protocol's features, rings begin disabled ("Ring states"). */
	if (features & F_PROTOCOL && !(v->features & F_PROTOCOL))
		for (size_t i = 0; i < VHOST_USER_RINGS; i++)
			v->rings[i].enabled = false;
	v->features = features;
	for (size_t i = 0; i < VHOST_USER_RINGS; i++) {
		v->rings[i].event_idx = features >> VIRTIO_RING_F_EVENT_IDX & 1;
		v->rings[i].indirect = features >> VIRTIO_RING_F_INDIRECT_DESC & 1;
	}
	update(v);
	return 0;
}

static int set_memory(struct vhost_user *v, struct message *m)
{
	int r = -1;

	if (m->head.size >= 8 && m->body.memory.n == m->n_fds &&
		m->head.size >= 8 + m->n_fds * sizeof(struct guest_memory_region))
		r = guest_memory_set(&v->memory, m->body.memory.v, m->fds, m->n_fds);
	update(v);
	return r;
}

/* The ring that a message is about, NULL when there is none such. */
static struct virtqueue *ring_of(struct vhost_user *v, const struct message *m, size_t size)
{
	return m->head.size == size && m->body.state.index < VHOST_USER_RINGS
		       ? &v->rings[m->body.state.index]
		       : NULL;
}

static int set_ring(struct vhost_user *v, struct virtqueue *r, const struct message *m)
{
	uint32_t num = m->body.state.num;

	if (!r)
		return -1;
	if (m->head.request == SET_VRING_NUM) {
		if (num == 0 || num > VIRTQUEUE_SIZE_MAX || num & (num - 1))
			return -1;
		r->size = num;
	} else if (m->head.request == SET_VRING_BASE) {
		r->next = (uint16_t)num;
	} else {
		r->enabled = num;
	}
	update(v);
	return 0;
}

static int set_address(struct vhost_user *v, struct message *m)
{
	struct virtqueue *r = ring_of(v, m, sizeof(m->body.addr));

	if (!r)
		return -1;
	r->where = m->body.addr;
	r->located = true;
	update(v);
	return 0;
}

/* Also what stops a ring: until it gets a kick again. */
static int get_base(struct vhost_user *v, struct message *m)
{
	struct virtqueue *r = ring_of(v, m, sizeof(m->body.state));

	if (!r)
		return -1;
	set_kick(v, m->body.state.index, -1);
	update(v);
	m->body.state.num = r->next;
	return reply(v, m, sizeof(m->body.state));
}

static int set_event_fd(struct vhost_user *v, struct message *m)
{
	uint64_t ring = m->body.u64 & RING_MASK;
	bool none = m->body.u64 & NO_FD;
	int fd;

	if (m->head.size != sizeof(m->body.u64) || ring >= VHOST_USER_RINGS || m->n_fds != !none)
		return -1;
	fd = none ? -1 : TAKE_FD(m->fds[0]);
	if (fd >= 0 && fd_set_nonblock(fd, true) < 0) {
		fd_closep(&fd);
		return -1;
	}
	if (m->head.request == SET_VRING_KICK) {
		set_kick(v, (unsigned)ring, fd);
		v->rings[ring].broken = false;
	} else if (m->head.request == SET_VRING_CALL) {
		fd_closep(&v->rings[ring].call);
		v->rings[ring].call = fd;
	} else {
		fd_closep(&fd); /* where errors would be told */
	}
	update(v);
	return 0;
}

static int get_config(struct vhost_user *v, struct message *m)
{
	struct virtio_vsock_config config = { v->guest_cid };
	uint32_t at = m->body.config.offset, n = m->body.config.size;

	if (m->head.size < CONFIG_HEADER)
		return -1;
	/* An empty answer is the refusal. */
	if (at > sizeof(config) || n > sizeof(config) - at)
		return reply(v, m, 0);
	memcpy(m->body.config.bytes, (const uint8_t *)&config + at, n);
	return reply(v, m, CONFIG_HEADER + n);
}

static int serve(struct vhost_user *v, struct message *m)
{
	switch (m->head.request) {
	case GET_FEATURES:
		return reply_u64(v, m, FEATURES);
	case SET_FEATURES:
		return m->head.size == sizeof(uint64_t) ? set_features(v, m->body.u64) : -1;
	case GET_PROTOCOL_FEATURES:
		return reply_u64(v, m, PROTOCOL_F_CONFIG);
	case SET_PROTOCOL_FEATURES:
		v->protocol_features = m->body.u64;
		return m->body.u64 & ~PROTOCOL_F_CONFIG ? -1 : 0;
	case SET_OWNER:
	case RESET_OWNER:
		return 0;
	case SET_MEM_TABLE:
		return set_memory(v, m);
	case SET_VRING_NUM:
	case SET_VRING_BASE:
	case SET_VRING_ENABLE:
		return set_ring(v, ring_of(v, m, sizeof(m->body.state)), m);
	case SET_VRING_ADDR:
		return set_address(v, m);
	case GET_VRING_BASE:
		return get_base(v, m);
	case SET_VRING_KICK:
	case SET_VRING_CALL:
	case SET_VRING_ERR:
		return set_event_fd(v, m);
	case GET_CONFIG:
		return get_config(v, m);
	default:
		return -1; /* of no feature that was offered */
	}
}

int vhost_user_take(struct vhost_user *v)
{
	struct message m = { .n_fds = 0 };
	int r = receive(v->fd, &m);

	if (r == 0)
		r = serve(v, &m);
	fd_close_many(m.fds, m.n_fds);
	return r;
}
