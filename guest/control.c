/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/control.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/proto_agent.h"
#include "common/str.h"
#include "common/stream.h"
#include "guest/carry.h"
#include "guest/clock.h"
#include "guest/dns.h"
#include "guest/health.h"
#include "guest/helper.h"
#include "guest/identity.h"
#include "guest/lease.h"
#include "guest/session.h"
#include "guest/stop.h"
#include "guest/visit.h"
#include "guest/vsock.h"
#include "guest/workload.h"

/* A frame whose rest does not come belongs to a host that went while it wrote. */
#define HALF_FRAME_MS 1000
/* What the driver says of a host that comes may be seen after the host's first bytes. */
#define AWAY_MS 20
/* How many connections are taken before others have their turn. */
#define ROUND	  16
#define SYNCS_MAX 8

/* A request whose answer comes later. `host` tells the host's connections apart: an answer to an
 * earlier one is not given to a later. */
struct pending {
	uint32_t seq, host;
};

struct sync_job {
	struct source done; /* fd -1: free */
	struct pending request;
};

static struct {
	struct loop *loop;
	int tree, pid1;
	struct source port;	/* port 0, or the connection; fd -1: there is none now */
	struct source listener; /* of vsock; fd -1: there is port 0 */
	struct stream *s;
	struct timer half, away, again;
	uint32_t host;
	bool asked, ready; /* set up: asked for, done */
	struct pending setup;
	struct image image;
	struct sync_job syncs[SYNCS_MAX];
} c;

static void flush(void)
{
	struct err err = ERR_INIT;

	/* A host that went shows as such when it is read from. */
	stream_flush(c.s, c.port.fd, &err);
}

/* `out` is NULL for an answer without fields. */
static void reply(uint16_t message, const struct pending *p, const void *out)
{
	struct err err = ERR_INIT;

	if (p->host != c.host)
		return;
	if (stream_put(c.s, message, FRAME_REPLY, p->seq, out, &err) < 0)
		log_error("the host: %s", err.msg);
	flush();
}

/* ---- the requests ---- */

static int on_hello(const struct pending *p, struct err *err)
{
	struct agent_hello_out out;

	identity_hello(c.tree, c.ready, &out);
	reply(agent_msg_hello, p, &out);
	return 0;
}

/* Keep what the request says of the image: its views end with the frame. */
static int keep_image(const struct agent_setup_in *in, struct err *err)
{
	size_t n = in->argv.n, m = in->environment.n;
	char *copy = malloc(n + m + 1);

	if (!copy)
		return err_sys(err, ERR_operation_failed, ENOMEM, "no room for the command");
	if (n > 0)
		memcpy(copy, in->argv.p, n);
	if (m > 0)
		memcpy(copy + n, in->environment.p, m);
	c.image = (struct image){ .argv = { copy, in->argv.n, in->argv.count },
		.environment = { copy + n, in->environment.n, in->environment.count },
		.text = copy,
		.user = in->user,
		.directory = in->directory,
		.stop_signal = in->stop_signal,
		.hostname = in->hostname };
	return 0;
}

static int on_setup(const struct pending *p, const struct agent_setup_in *in, struct err *err)
{
	struct err no_dns = ERR_INIT;

	if (c.asked)
		return err_set(err, ERR_already_exists, "the guest is set up already");
	if (keep_image(in, err) < 0)
		return -1;
	c.asked = true;
	c.setup = *p;
	if (dns_start(c.loop, in->dns1, in->dns2, &no_dns) < 0)
		log_warning("%s", no_dns.msg);
	workload_start(in->mode, TAKE_FD(c.pid1));
	return 0;
}

/* The workload has begun, one way or another: the guest is ready. */
static void on_settled(void)
{
	struct agent_setup_out out = { .boot_us = clock_us(), .main = workload_state() };

	c.ready = true;
	identity_boot(c.tree, &out.boot_id);
	reply(agent_msg_setup, &c.setup, &out);
	helper_late(c.loop, c.tree);
}

static int on_lease(const struct pending *p, const struct agent_lease_in *in, struct err *err)
{
	if (c.listener.fd >= 0)
		return err_set(err, ERR_bad_request, "there are no ports to lease: connect");
	if (!c.ready)
		return err_set(err, ERR_unavailable, "the guest is not set up yet");
	if (in->nonce.n != STREAM_NONCE)
		return err_set(err, ERR_bad_request, "a nonce has %d bytes", STREAM_NONCE);
	if (lease_take(in->port, in->nonce.p, err) < 0)
		return -1;
	reply(agent_msg_lease, p, NULL);
	return 0;
}

static int on_health(const struct pending *p, struct err *err)
{
	struct agent_health_out out = { .main = workload_state(),
		.main_status = workload_status(),
		.sessions = session_count() };

	health_measure(c.tree, &out);
	reply(agent_msg_health, p, &out);
	return 0;
}

static void on_synced(struct source *s, uint32_t events)
{
	struct sync_job *job = container_of(s, struct sync_job, done);

	child_reap(s->fd);
	loop_close(c.loop, s);
	reply(agent_msg_sync, &job->request, NULL);
}

static int on_sync(const struct pending *p, struct err *err)
{
	for (size_t i = 0; i < SYNCS_MAX; i++) {
		struct sync_job *job = &c.syncs[i];

		if (job->done.fd >= 0)
			continue;
		if (helper_sync(&job->done.fd, err) < 0)
			return -1;
		job->request = *p;
		return loop_watch(c.loop, &job->done, EPOLLIN, err);
	}
	return err_set(err, ERR_busy, "%d syncs are under way", SYNCS_MAX);
}

static int on_clock(const struct pending *p, const struct agent_clock_in *in, struct err *err)
{
	if (!c.ready)
		return err_set(err, ERR_unavailable, "the guest is not set up yet");
	clock_advance(in->clock_ns);
	reply(agent_msg_clock, p, NULL);
	return 0;
}

static int on_shutdown(const struct pending *p, const struct agent_shutdown_in *in, struct err *err)
{

	reply(agent_msg_shutdown, p, NULL);
	stop_begin(c.loop, in->timeout_ms);
	return 0;
}

/* ---- the port ---- */

static int dispatch(const struct header *h, struct err *err)
{
	struct pending p = { h->seq, c.host };
	union {
		struct agent_setup_in setup;
		struct agent_lease_in lease;
		struct agent_hello_in hello;
		struct agent_health_in health;
		struct agent_shutdown_in shutdown;
		struct agent_sync_in sync;
		struct agent_clock_in clock;
	} in;

	switch (h->message) {
	case agent_msg_hello:
		return stream_decode(c.s, &in, err) < 0 ? -1 : on_hello(&p, err);
	case agent_msg_setup:
		return stream_decode(c.s, &in, err) < 0 ? -1 : on_setup(&p, &in.setup, err);
	case agent_msg_lease:
		return stream_decode(c.s, &in, err) < 0 ? -1 : on_lease(&p, &in.lease, err);
	case agent_msg_health:
		return stream_decode(c.s, &in, err) < 0 ? -1 : on_health(&p, err);
	case agent_msg_sync:
		return stream_decode(c.s, &in, err) < 0 ? -1 : on_sync(&p, err);
	case agent_msg_clock:
		return stream_decode(c.s, &in, err) < 0 ? -1 : on_clock(&p, &in.clock, err);
	case agent_msg_shutdown:
		return stream_decode(c.s, &in, err) < 0 ? -1 : on_shutdown(&p, &in.shutdown, err);
	default:
		return err_set(err, ERR_protocol, "%s is no request of this channel",
			agent_protocol.messages[h->message].name);
	}
}

/* Take the frames that were read. -1: the connection is of no use any more. */
static int take(struct err *err)
{
	struct header h;
	int r;

	while ((r = stream_next(c.s, &h, err)) == 1) {
		struct err why = ERR_INIT;

		if (h.kind != FRAME_REQUEST)
			return err_set(err, ERR_protocol, "a frame that is no request");
		if (dispatch(&h, &why) == 0)
			continue;
		if (why.code == ERR_protocol) {
			*err = why;
			return -1;
		}
		if (stream_put_error(c.s, h.message, h.seq, &why, err) < 0)
			return -1;
	}
	return r;
}

/* The host is gone, or out of step. */
static void reset(void)
{
	stream_reset(c.s);
	loop_timer_clear(c.loop, &c.half);
	if (c.listener.fd >= 0)
		loop_close(c.loop, &c.port);
	c.host++;
}

/* The rest of a frame does not come. A new host may have come so soon after an old one that nobody
 * saw a change; its hello, behind which it waits, was then taken for the rest of the frame. */
static void on_half(struct timer *t)
{
	const uint8_t *p;
	size_t n = stream_unread(c.s, (const void **)&p);
	struct err err = ERR_INIT;
	struct header h = { 0 };
	bool hello =
		n >= FRAME_HEADER &&
		codec_header(&agent_protocol, p + n - FRAME_HEADER, FRAME_HEADER, &h, &err) == 0 &&
		h.message == agent_msg_hello && h.kind == FRAME_REQUEST && h.length == FRAME_HEADER;
	struct pending request;

	log_warning("port 0: the rest of a frame did not come");
	reset();
	request = (struct pending){ h.seq, c.host };
	if (hello && on_hello(&request, &err) < 0)
		log_warning("port 0: %s", err.msg);
}

/* The end that was read was one: nobody came since. */
static void on_away(struct timer *t)
{
	struct pollfd p = { .fd = c.port.fd };

	if (poll(&p, 1, 0) > 0 && (p.revents & POLLHUP))
		reset();
}

/* Read and take all there is. 0, or -1 when the host is gone or out of step. */
static int serve(struct err *err)
{
	int r;

	do {
		r = take(err);
		if (r == 0)
			r = stream_feed(c.s, c.port.fd, err);
	} while (r == 1);
	return r;
}

static void on_port(struct source *source, uint32_t events)
{
	struct err err = ERR_INIT;
	const void *rest;

	while (serve(&err) < 0) {
		/* The answer to a new host's hello must not go with the old one. */
		if (err.code == ERR_unavailable) {
			loop_timer_set(c.loop, &c.away, AWAY_MS);
			return;
		}
		if (err.code == ERR_protocol)
			log_warning("port 0: %s", err.msg);
		reset();
		err = (struct err)ERR_INIT;
	}
	flush();
	if (stream_unread(c.s, &rest) == 0)
		loop_timer_clear(c.loop, &c.half);
	else
		loop_timer_set(c.loop, &c.half, HALF_FRAME_MS);
}

/* ---- the connection over vsock ---- */

static void on_connection(struct source *source, uint32_t events)
{
	struct err err = ERR_INIT;

	if (serve(&err) == 0) {
		flush();
		return;
	}
	if (err.code == ERR_protocol)
		log_warning("the host: %s", err.msg);
	reset();
}

/* A new connection takes the place of the old, whose answers are not wanted any more. */
static void take_connections(void)
{
	for (int i = 0; i < ROUND; i++) {
		int fd = vsock_accept(c.listener.fd);
		struct err err = ERR_INIT;

		if (fd < 0 && errno != EPERM)
			return;
		if (fd < 0)
			continue;
		reset();
		c.port.fd = fd;
		if (loop_watch(c.loop, &c.port, EPOLLIN | EPOLLOUT, &err) < 0) {
			log_warning("%s", err.msg);
			reset();
		}
	}
	loop_timer_set(c.loop, &c.again, 0);
}

static void on_listener(struct source *source, uint32_t events)
{
	take_connections();
}

static void on_again(struct timer *t)
{
	take_connections();
}

/* ---- the beginning ---- */

/* What init read: the setup request, and what came behind it. */
static int take_over(int setup, struct err *err)
{
	int r = stream_feed(c.s, setup, err);

	close(setup);
	if (r <= 0)
		return r < 0 ? -1 : err_set(err, ERR_protocol, "init handed over no request");
	return take(err);
}

/* Where the host asks for sessions, and where it comes again itself. */
static int start_channel(const struct control_fds *fds, struct err *err)
{
	c.port = (struct source){ fds->port, fds->listener >= 0 ? on_connection : on_port };
	c.listener = (struct source){ fds->listener, on_listener };
	if (fds->listener < 0) {
		lease_init(c.loop, c.tree);
		return 0;
	}
	if (loop_watch(c.loop, &c.listener, EPOLLIN, err) < 0)
		return -1;
	return visit_start(c.loop, err);
}

int control_start(struct loop *loop, const struct control_fds *fds, struct err *err)
{
	c.loop = loop;
	c.tree = fds->tree;
	c.pid1 = fds->pid1;
	c.half.fire = on_half;
	c.away.fire = on_away;
	c.again.fire = on_again;
	for (size_t i = 0; i < SYNCS_MAX; i++)
		c.syncs[i].done = (struct source){ -1, on_synced };
	workload_init(loop, c.tree, &c.image, on_settled);
	carry_init(loop, c.tree, &c.image);
	if (start_channel(fds, err) < 0 || stream_create(&agent_protocol, &c.s, err) < 0 ||
		take_over(fds->setup, err) < 0)
		return -1;
	return c.port.fd < 0 ? 0 : loop_watch(loop, &c.port, EPOLLIN | EPOLLOUT, err);
}
