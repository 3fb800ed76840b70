/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/lease.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/proto_agent.h"
#include "guest/ports.h"
#include "guest/session.h"

#define HANDSHAKE_MS 10000
#define RECHECK_MS   20

struct lease {
	unsigned k;
	struct source port;
	struct stream *stream;
	struct session *session;
	struct timer handshake; /* until the host's nonce has come */
	struct timer recheck;	/* a moment after the host seemed to be gone */
};

static struct {
	struct loop *loop;
	int tree;
	const struct image *image;
	struct lease all[PORTS_MAX];
} leases;

/* The stream ends with the lease: a session that lives on no longer has it. */
static void drop(struct lease *l)
{
	if (l->session)
		session_drop(l->session);
	l->session = NULL;
	loop_timer_clear(leases.loop, &l->handshake);
	loop_timer_clear(leases.loop, &l->recheck);
	loop_close(leases.loop, &l->port);
	stream_destroyp(&l->stream);
}

static bool flush(struct lease *l)
{
	struct err err = ERR_INIT;

	return stream_flush(l->stream, l->port.fd, &err) == 1;
}

static void session_over(struct lease *l)
{
	l->session = NULL;
	drop(l);
}

static void session_failed(struct lease *l, uint32_t seq, const struct err *why)
{
	struct err err = ERR_INIT;

	l->session = NULL;
	if (stream_put_error(l->stream, agent_msg_exec, seq, why, &err) < 0)
		log_warning("port %u: %s", l->k, err.msg);
	flush(l);
}

static const struct session_carrier carrier = { flush, session_over, session_failed };

static int take_frame(struct lease *l, const struct header *h, struct err *err)
{
	struct err why = ERR_INIT;
	struct agent_exec_in in;

	if (h->kind == FRAME_NOTICE && l->session)
		return session_notice(l->session, h->message, err);
	if (h->kind != FRAME_REQUEST || h->message != agent_msg_exec || l->session)
		return err_set(err, ERR_protocol, "a frame out of place");
	if (stream_decode(l->stream, &in, err) < 0)
		return -1;
	if (session_start(leases.loop, l, &carrier, l->stream, leases.tree, leases.image, h->seq,
		    &in, &l->session, &why) < 0)
		session_failed(l, h->seq, &why);
	return 0;
}

/* Take all that came. -1 when the host is gone, or broke the protocol (err says which). */
static int take(struct lease *l, struct err *err)
{
	struct header h;
	int r;

	for (;;) {
		while ((r = stream_next(l->stream, &h, err)) == 1)
			if (take_frame(l, &h, err) < 0)
				return -1;
		if (r < 0)
			return -1;
		r = stream_feed(l->stream, l->port.fd, err);
		if (r <= 0)
			return r;
	}
}

static bool has_client(int port)
{
	struct pollfd p = { .fd = port };

	return poll(&p, 1, 0) < 0 || !(p.revents & POLLHUP);
}

/* A host that was away for a moment only (a client's end and the next one's beginning, seen out of
 * order) is no drop. */
static void on_recheck(struct timer *t)
{
	struct lease *l = container_of(t, struct lease, recheck);

	if (!has_client(l->port.fd))
		drop(l);
}

static void on_port(struct source *source, uint32_t events)
{
	struct lease *l = container_of(source, struct lease, port);
	struct err err = ERR_INIT;
	int r = take(l, &err);

	if (r < 0 && err.code == ERR_protocol && stream_begun(l->stream)) {
		log_warning("port %u: %s", l->k, err.msg);
		drop(l);
		return;
	}
	if (stream_begun(l->stream)) {
		loop_timer_clear(leases.loop, &l->handshake);
		if (r < 0 || (events & EPOLLHUP))
			loop_timer_set(leases.loop, &l->recheck, RECHECK_MS);
	}
	if (l->session)
		session_move(l->session);
	else
		flush(l);
}

static void on_handshake(struct timer *t)
{
	struct lease *l = container_of(t, struct lease, handshake);

	log_warning("port %u: no nonce came", l->k);
	drop(l);
}

int lease_init(struct loop *loop, int tree, const struct image *image, struct err *err)
{
	leases.loop = loop;
	leases.tree = tree;
	leases.image = image;
	for (unsigned k = 0; k < PORTS_MAX; k++)
		leases.all[k] = (struct lease){ .k = k,
			.port = { -1, on_port },
			.handshake.fire = on_handshake,
			.recheck.fire = on_recheck };
	return 0;
}

int lease_take(unsigned k, const uint8_t nonce[STREAM_NONCE], struct err *err)
{
	struct lease *l = &leases.all[k];
	int fd;

	if (l->port.fd >= 0 && has_client(l->port.fd))
		return err_set(err, ERR_busy, "port %u has a client", k);
	drop(l);
	if (ports_open(leases.tree, k, &fd, err) < 0)
		return -1;
	l->port.fd = fd;
	/* A session of ours had ended, its client has not seen it yet. */
	if (has_client(fd)) {
		drop(l);
		return err_set(err, ERR_busy, "port %u has a client", k);
	}
	if (stream_create(&agent_protocol, &l->stream, err) < 0 ||
		loop_watch(leases.loop, &l->port, EPOLLIN | EPOLLOUT, err) < 0) {
		drop(l);
		return -1;
	}
	stream_begin(l->stream, nonce);
	loop_timer_set(leases.loop, &l->handshake, HANDSHAKE_MS);
	flush(l);
	return 0;
}
