/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/vsock/vsock_conn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"

#define OWES(op) (1U << (op))
#define BOTH	 (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

uint64_t vsock_conn_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- beginning and end ---- */

static void set_deadline(struct vsock_conn *c, unsigned ms)
{
	c->deadline_ms = vsock_conn_now_ms() + ms;
}

int vsock_conn_begin(struct vsock_conn *c, int fd)
{
	uint8_t *buffer = malloc(VSOCK_CONN_BUFFER);

	if (!buffer) {
		fd_closep(&fd);
		return -1;
	}
	*c = (struct vsock_conn){ .state = VSOCK_CONN_GREETING,
		.fd = fd,
		.buffer = buffer,
		.readable = true,
		.writable = true };
	set_deadline(c, VSOCK_CONN_ANSWER_MS);
	return 0;
}

static void take_credit(struct vsock_conn *c, const struct virtio_vsock_hdr *h)
{
	c->guest_room = h->buf_alloc;
	c->guest_forwarded = h->fwd_cnt;
	c->credit_asked = false;
}

int vsock_conn_accept(
	struct vsock_conn *c, int fd, const struct virtio_vsock_hdr *request, uint32_t host_port)
{
	if (vsock_conn_begin(c, fd) < 0)
		return -1;
	c->state = VSOCK_CONN_UP;
	c->of_guest = true;
	c->host_port = host_port;
	c->guest_port = request->src_port;
	c->deadline_ms = 0;
	c->owed = OWES(VIRTIO_VSOCK_OP_RESPONSE);
	take_credit(c, request);
	return 0;
}

void vsock_conn_end(struct vsock_conn *c)
{
	fd_closep(&c->fd);
	free(c->buffer);
	*c = (struct vsock_conn){ .state = VSOCK_CONN_FREE, .fd = -1 };
}

/* It is over, and the guest must hear it, if it ever heard of it. */
static void reset(struct vsock_conn *c)
{
	bool unheard = c->state == VSOCK_CONN_GREETING ||
		       (c->state == VSOCK_CONN_ASKED && c->owed & OWES(VIRTIO_VSOCK_OP_REQUEST));

	if (unheard) {
		vsock_conn_end(c);
		return;
	}
	fd_closep(&c->fd);
	c->state = VSOCK_CONN_RESET;
	c->deadline_ms = 0;
}

void vsock_conn_expire(struct vsock_conn *c)
{
	reset(c);
}

void vsock_conn_hung_up(struct vsock_conn *c)
{
	/* One that is up may have left bytes to be read, and its end behind them. */
	if (c->state == VSOCK_CONN_ASKED || (c->state == VSOCK_CONN_UP && c->guest_deaf))
		reset(c);
}

/* ---- the host's side ---- */

static bool parse_line(struct vsock_conn *c)
{
	uint64_t port;

	if (!str_starts(c->line, "CONNECT ") ||
		!str_to_u64(c->line + strlen("CONNECT "), 0, UINT32_MAX, &port))
		return false;
	c->guest_port = (uint32_t)port;
	return true;
}

int vsock_conn_greet(struct vsock_conn *c)
{
	/* A byte at a time: what is behind the line is the guest's. */
	while (c->line_len < sizeof(c->line)) {
		char b;
		ssize_t n = recv(c->fd, &b, 1, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			c->readable = false;
			return 0;
		}
		if (n <= 0)
			return -1;
		if (b == '\n') {
			c->line[c->line_len] = '\0';
			return parse_line(c) ? 1 : -1;
		}
		c->line[c->line_len++] = b;
	}
	return -1;
}

void vsock_conn_ask(struct vsock_conn *c, uint32_t host_port)
{
	c->state = VSOCK_CONN_ASKED;
	c->host_port = host_port;
	c->owed = OWES(VIRTIO_VSOCK_OP_REQUEST);
	set_deadline(c, VSOCK_CONN_ANSWER_MS);
}

void vsock_conn_flush(struct vsock_conn *c)
{
	while (c->len > 0 && c->writable && c->fd >= 0) {
		uint32_t n =
			VSOCK_CONN_BUFFER - c->at < c->len ? VSOCK_CONN_BUFFER - c->at : c->len;
		ssize_t w = send(c->fd, c->buffer + c->at, n, MSG_NOSIGNAL);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0 && errno == EAGAIN) {
			c->writable = false;
			return;
		}
		if (w < 0) {
			reset(c);
			return;
		}
		c->at = (c->at + (uint32_t)w) % VSOCK_CONN_BUFFER;
		c->len -= (uint32_t)w;
		c->forwarded += (uint32_t)w;
	}
	if (c->forwarded - c->forwarded_told >= VSOCK_CONN_BUFFER / 2)
		c->owed |= OWES(VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	if (c->state == VSOCK_CONN_GUEST_GONE && c->len == 0)
		reset(c);
}

/* ---- packets of the guest ---- */

static void on_response(struct vsock_conn *c)
{
	char line[32];
	int n;

	if (c->state != VSOCK_CONN_ASKED) {
		reset(c);
		return;
	}
	c->state = VSOCK_CONN_UP;
	c->deadline_ms = 0;
	n = snprintf(line, sizeof(line), "OK %u\n", c->host_port);
	/* The first bytes into an empty socket: they fit, or nobody is there. */
	if (send(c->fd, line, (size_t)n, MSG_NOSIGNAL) != n)
		reset(c);
}

static void on_data(struct vsock_conn *c, uint32_t n, const struct virtqueue_chain *chain)
{
	uint32_t to = (c->at + c->len) % VSOCK_CONN_BUFFER;
	uint32_t first = n < VSOCK_CONN_BUFFER - to ? n : VSOCK_CONN_BUFFER - to;
	size_t behind = sizeof(struct virtio_vsock_hdr);

	if (c->state == VSOCK_CONN_HOST_GONE)
		return; /* sent before it knew */
	if (c->state != VSOCK_CONN_UP || c->guest_mute || n > VSOCK_CONN_BUFFER - c->len) {
		reset(c);
		return;
	}
	if (!virtqueue_chain_read(chain, behind, c->buffer + to, first) ||
		!virtqueue_chain_read(chain, behind + first, c->buffer, n - first)) {
		reset(c);
		return;
	}
	c->len += n;
	vsock_conn_flush(c);
}

static void on_shutdown(struct vsock_conn *c, uint32_t flags)
{
	c->guest_deaf |= flags & VIRTIO_VSOCK_SHUTDOWN_RCV;
	c->guest_mute |= flags & VIRTIO_VSOCK_SHUTDOWN_SEND;
	if (c->state != VSOCK_CONN_UP) {
		reset(c);
		return;
	}
	if (!c->guest_deaf || !c->guest_mute)
		return;
	c->state = VSOCK_CONN_GUEST_GONE;
	set_deadline(c, VSOCK_CONN_END_MS);
	vsock_conn_flush(c);
}

void vsock_conn_take(
	struct vsock_conn *c, const struct virtio_vsock_hdr *h, const struct virtqueue_chain *chain)
{
	if (c->state == VSOCK_CONN_RESET && h->op != VIRTIO_VSOCK_OP_RST)
		return;
	take_credit(c, h);
	switch (h->op) {
	case VIRTIO_VSOCK_OP_RST:
		vsock_conn_end(c);
		break;
	case VIRTIO_VSOCK_OP_RESPONSE:
		on_response(c);
		break;
	case VIRTIO_VSOCK_OP_RW:
		on_data(c, h->len, chain);
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		on_shutdown(c, h->flags);
		break;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		c->owed |= OWES(VIRTIO_VSOCK_OP_CREDIT_UPDATE);
		break;
	default:
		reset(c);
	}
}

/* ---- packets for the guest ---- */

/* How much the guest has room for; what it says of that may be anything. */
static uint32_t credit(const struct vsock_conn *c)
{
	uint32_t flying = c->sent - c->guest_forwarded;

	return flying < c->guest_room ? c->guest_room - flying : 0;
}

static bool has_data(const struct vsock_conn *c)
{
	return c->state == VSOCK_CONN_UP && c->readable && !c->guest_deaf &&
	       (credit(c) > 0 || !c->credit_asked);
}

bool vsock_conn_wants(const struct vsock_conn *c)
{
	return c->state == VSOCK_CONN_RESET || c->owed || has_data(c);
}

/* Bytes of the client straight into the guest's buffer. */
static uint16_t next_data(
	struct vsock_conn *c, struct virtio_vsock_hdr *h, const struct virtqueue_chain *chain)
{
	struct iovec part[VIRTQUEUE_SEGMENTS_MAX];
	struct msghdr m = { .msg_iov = part };
	ssize_t n;

	if (credit(c) == 0) {
		c->credit_asked = true;
		return VIRTIO_VSOCK_OP_CREDIT_REQUEST;
	}
	m.msg_iovlen = virtqueue_chain_part(chain, sizeof(*h), credit(c), part);
	if (m.msg_iovlen == 0)
		return 0; /* a buffer for headers alone: of no use for data */
	do
		n = recvmsg(c->fd, &m, 0);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		h->len = (uint32_t)n;
		c->sent += (uint32_t)n;
		return VIRTIO_VSOCK_OP_RW;
	}
	c->readable = false;
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0) {
		reset(c);
		return 0;
	}
	c->state = VSOCK_CONN_HOST_GONE;
	set_deadline(c, VSOCK_CONN_END_MS);
	h->flags = BOTH;
	return VIRTIO_VSOCK_OP_SHUTDOWN;
}

uint16_t vsock_conn_next(
	struct vsock_conn *c, struct virtio_vsock_hdr *h, const struct virtqueue_chain *chain)
{
	static const uint16_t order[] = { VIRTIO_VSOCK_OP_REQUEST, VIRTIO_VSOCK_OP_RESPONSE,
		VIRTIO_VSOCK_OP_CREDIT_UPDATE };
	uint16_t op = 0;

	if (c->state == VSOCK_CONN_RESET) {
		vsock_conn_end(c);
		return VIRTIO_VSOCK_OP_RST;
	}
	for (size_t i = 0; i < ARRAY_SIZE(order) && op == 0; i++)
		if (c->owed & OWES(order[i]))
			op = order[i];
	c->owed &= ~OWES(op);
	if (op == 0 && has_data(c))
		op = next_data(c, h, chain);
	if (op != 0) {
		h->buf_alloc = VSOCK_CONN_BUFFER;
		h->fwd_cnt = c->forwarded_told = c->forwarded;
		c->owed &= ~OWES(VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	}
	return op;
}
