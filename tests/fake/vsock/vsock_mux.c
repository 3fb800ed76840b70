/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/vsock/vsock_mux.h"

#include <linux/vm_sockets.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"

/* Packets a call moves each way, so that nobody keeps the thread from its other work. */
#define ROUND 128

void vsock_mux_init(struct vsock_mux *m)
{
	for (unsigned i = 0; i < VSOCK_MUX_CONNS; i++)
		m->conns[i] = (struct vsock_conn){ .state = VSOCK_CONN_FREE, .fd = -1 };
	m->next_port = VSOCK_MUX_FIRST_PORT;
	m->n_refusals = m->turn = 0;
}

void vsock_mux_finish(struct vsock_mux *m)
{
	for (unsigned i = 0; i < VSOCK_MUX_CONNS; i++)
		vsock_conn_end(&m->conns[i]);
}

static struct vsock_conn *find(struct vsock_mux *m, uint32_t host_port, uint32_t guest_port)
{
	for (unsigned i = 0; i < VSOCK_MUX_CONNS; i++) {
		struct vsock_conn *c = &m->conns[i];

		if (c->state != VSOCK_CONN_FREE && c->state != VSOCK_CONN_GREETING &&
			c->host_port == host_port && c->guest_port == guest_port)
			return c;
	}
	return NULL;
}

static struct vsock_conn *find_free(struct vsock_mux *m)
{
	for (unsigned i = 0; i < VSOCK_MUX_CONNS; i++)
		if (m->conns[i].state == VSOCK_CONN_FREE)
			return &m->conns[i];
	return NULL;
}

static int watch(struct vsock_mux *m, const struct vsock_conn *c)
{
	return m->watch(m->ctx, (unsigned)(c - m->conns), c->fd);
}

/* ---- clients of the host's ---- */

/* No two connections of the host's have one port. */
static uint32_t take_port(struct vsock_mux *m)
{
	for (;;) {
		uint32_t port = m->next_port++;
		bool taken = false;

		if (m->next_port >= UINT32_C(1) << 31)
			m->next_port = VSOCK_MUX_FIRST_PORT;
		for (unsigned i = 0; i < VSOCK_MUX_CONNS; i++)
			taken |= m->conns[i].state > VSOCK_CONN_GREETING &&
				 m->conns[i].host_port == port;
		if (!taken)
			return port;
	}
}

static void greet(struct vsock_mux *m, struct vsock_conn *c)
{
	int r = vsock_conn_greet(c);

	if (r < 0)
		vsock_conn_end(c);
	else if (r > 0)
		vsock_conn_ask(c, take_port(m));
}

void vsock_mux_client(struct vsock_mux *m, int fd)
{
	struct vsock_conn *c = find_free(m);

	if (!c) {
		fd_closep(&fd);
		return;
	}
	if (vsock_conn_begin(c, fd) < 0)
		return;
	if (watch(m, c) < 0)
		vsock_conn_end(c);
	else
		greet(m, c);
}

void vsock_mux_ready(struct vsock_mux *m, unsigned i, uint32_t events)
{
	struct vsock_conn *c = &m->conns[i];

	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		c->readable = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		c->writable = true;
	if (c->state == VSOCK_CONN_GREETING)
		greet(m, c);
	else if (events & EPOLLHUP)
		vsock_conn_hung_up(c);
	vsock_conn_flush(c);
}

int vsock_mux_expire(struct vsock_mux *m)
{
	uint64_t now = vsock_conn_now_ms(), first = 0;

	for (unsigned i = 0; i < VSOCK_MUX_CONNS; i++) {
		struct vsock_conn *c = &m->conns[i];

		if (c->deadline_ms != 0 && c->deadline_ms <= now)
			vsock_conn_expire(c);
		if (c->deadline_ms != 0 && (first == 0 || c->deadline_ms < first))
			first = c->deadline_ms;
	}
	return first == 0 ? -1 : (int)(first - now);
}

/* ---- what the guest sends ---- */

static void refuse(struct vsock_mux *m, const struct virtio_vsock_hdr *h)
{
	/* A refusal is not refused. There is room: it is asked for before a packet is taken. */
	if (h->op == VIRTIO_VSOCK_OP_RST)
		return;
	m->refusals[m->n_refusals].host_port = h->dst_port;
	m->refusals[m->n_refusals++].guest_port = h->src_port;
}

static int connect_host(const struct vsock_mux *m, uint32_t port)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || !str_format(a.sun_path, sizeof(a.sun_path), "%s_%u", m->uds_path, port) ||
		connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -1;
	return TAKE_FD(fd);
}

/* The guest asks for a connection. */
static void on_request(struct vsock_mux *m, const struct virtio_vsock_hdr *h)
{
	struct vsock_conn *c = find_free(m);
	unsigned of_guest = 0;
	int fd;

	for (unsigned i = 0; i < VSOCK_MUX_CONNS; i++)
		of_guest += m->conns[i].state != VSOCK_CONN_FREE && m->conns[i].of_guest;
	fd = c && of_guest < VSOCK_MUX_OF_GUEST ? connect_host(m, h->dst_port) : -1;
	if (fd < 0 || vsock_conn_accept(c, fd, h, h->dst_port) < 0) {
		refuse(m, h);
		return;
	}
	if (watch(m, c) < 0) {
		vsock_conn_end(c);
		refuse(m, h);
	}
}

static void take_packet(struct vsock_mux *m, const struct virtqueue_chain *chain)
{
	struct virtio_vsock_hdr h;
	struct vsock_conn *c;

	/* What does not come from the guest, or not for the host, is nobody's: dropped. */
	if (!virtqueue_chain_read(chain, 0, &h, sizeof(h)) || h.src_cid != m->guest_cid ||
		h.dst_cid != VMADDR_CID_HOST)
		return;
	c = h.type == VIRTIO_VSOCK_TYPE_STREAM ? find(m, h.dst_port, h.src_port) : NULL;
	if (c)
		vsock_conn_take(c, &h, chain);
	else if (h.type == VIRTIO_VSOCK_TYPE_STREAM && h.op == VIRTIO_VSOCK_OP_REQUEST)
		on_request(m, &h);
	else
		refuse(m, &h);
}

static bool move_out(struct vsock_mux *m)
{
	struct virtqueue_chain chain;
	int n = 0;

	while (n < ROUND && m->n_refusals < VSOCK_MUX_REFUSALS &&
		virtqueue_pop(m->tx, false, &chain) == 1) {
		take_packet(m, &chain);
		virtqueue_push(m->tx, &chain, 0);
		n++;
	}
	virtqueue_notify(m->tx);
	return n == ROUND;
}

/* ---- what the guest is sent ---- */

static struct vsock_conn *next_turn(struct vsock_mux *m)
{
	for (unsigned k = 0; k < VSOCK_MUX_CONNS; k++) {
		struct vsock_conn *c = &m->conns[m->turn++ % VSOCK_MUX_CONNS];

		if (vsock_conn_wants(c))
			return c;
	}
	return NULL;
}

/* Fill a chain with c's next packet, or (c is NULL) the next refusal. False: there is none. */
static bool make_packet(struct vsock_mux *m, struct vsock_conn *c,
	const struct virtqueue_chain *chain, struct virtio_vsock_hdr *h)
{
	*h = (struct virtio_vsock_hdr){ .src_cid = VMADDR_CID_HOST,
		.dst_cid = m->guest_cid,
		.type = VIRTIO_VSOCK_TYPE_STREAM };
	if (c) {
		h->src_port = c->host_port;
		h->dst_port = c->guest_port;
		h->op = vsock_conn_next(c, h, chain);
		return h->op != 0;
	}
	h->op = VIRTIO_VSOCK_OP_RST;
	m->n_refusals--;
	h->src_port = m->refusals[m->n_refusals].host_port;
	h->dst_port = m->refusals[m->n_refusals].guest_port;
	return true;
}

static bool move_in(struct vsock_mux *m)
{
	int n = 0;

	for (; n < ROUND; n++) {
		struct vsock_conn *c = m->n_refusals > 0 ? NULL : next_turn(m);
		struct virtio_vsock_hdr h;
		struct virtqueue_chain chain;

		if ((!c && m->n_refusals == 0) || virtqueue_pop(m->rx, true, &chain) != 1)
			break;
		if (chain.bytes < sizeof(h)) {
			m->rx->broken = true;
			break;
		}
		if (!make_packet(m, c, &chain, &h)) {
			virtqueue_unpop(m->rx);
			continue;
		}
		virtqueue_chain_write(&chain, 0, &h, sizeof(h));
		virtqueue_push(m->rx, &chain, (uint32_t)sizeof(h) + h.len);
	}
	virtqueue_notify(m->rx);
	return n == ROUND;
}

bool vsock_mux_move(struct vsock_mux *m)
{
	bool more, full;

	if (!virtqueue_runs(m->tx) || !virtqueue_runs(m->rx))
		return false;
	more = move_out(m);
	full = m->n_refusals == VSOCK_MUX_REFUSALS;
	more |= move_in(m);
	/* With refusals gone, the guest's packets that had to wait for it move again. */
	return more || (full && m->n_refusals < VSOCK_MUX_REFUSALS);
}
