/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/lease.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/proto_agent.h"
#include "guest/carry.h"
#include "guest/ports.h"

#define HANDSHAKE_MS 10000
#define RECHECK_MS   20

struct lease {
	unsigned k;
	struct carrier carrier;
	struct timer handshake; /* until the host's nonce has come */
	struct timer recheck;	/* a moment after the host seemed to be gone */
};

static struct {
	struct loop *loop;
	int tree;
	struct lease all[PORTS_MAX];
} leases;

static void drop(struct lease *l)
{
	loop_timer_clear(leases.loop, &l->handshake);
	loop_timer_clear(leases.loop, &l->recheck);
	carry_drop(&l->carrier);
}

static void on_over(struct carrier *c)
{
	drop(container_of(c, struct lease, carrier));
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

	if (!has_client(l->carrier.source.fd))
		drop(l);
}

static void on_port(struct source *source, uint32_t events)
{
	struct carrier *c = container_of(source, struct carrier, source);
	struct lease *l = container_of(c, struct lease, carrier);
	struct err err = ERR_INIT;
	int r = carry_take(c, &err);

	if (r < 0 && err.code == ERR_protocol && stream_begun(c->stream)) {
		log_warning("port %u: %s", l->k, err.msg);
		drop(l);
		return;
	}
	if (stream_begun(c->stream)) {
		loop_timer_clear(leases.loop, &l->handshake);
		if (r < 0 || (events & EPOLLHUP))
			loop_timer_set(leases.loop, &l->recheck, RECHECK_MS);
	}
	carry_move(c);
}

static void on_handshake(struct timer *t)
{
	struct lease *l = container_of(t, struct lease, handshake);

	log_warning("port %u: no nonce came", l->k);
	drop(l);
}

void lease_init(struct loop *loop, int tree)
{
	leases.loop = loop;
	leases.tree = tree;
	for (unsigned k = 0; k < PORTS_MAX; k++)
		leases.all[k] = (struct lease){ .k = k,
			.carrier = { .source = { -1, on_port }, .over = on_over },
			.handshake.fire = on_handshake,
			.recheck.fire = on_recheck };
}

int lease_take(unsigned k, const uint8_t nonce[STREAM_NONCE], struct err *err)
{
	struct lease *l = &leases.all[k];
	int fd;

	if (l->carrier.source.fd >= 0 && has_client(l->carrier.source.fd))
		return err_set(err, ERR_busy, "port %u has a client", k);
	drop(l);
	if (ports_open(leases.tree, k, &fd, err) < 0)
		return -1;
	l->carrier.source.fd = fd;
	/* A session of ours had ended, its client has not seen it yet. */
	if (has_client(fd)) {
		drop(l);
		return err_set(err, ERR_busy, "port %u has a client", k);
	}
	if (stream_create(&agent_protocol, &l->carrier.stream, err) < 0 ||
		loop_watch(leases.loop, &l->carrier.source, EPOLLIN | EPOLLOUT, err) < 0) {
		drop(l);
		return -1;
	}
	stream_begin(l->carrier.stream, nonce);
	loop_timer_set(leases.loop, &l->handshake, HANDSHAKE_MS);
	carrier_flush(&l->carrier);
	return 0;
}
