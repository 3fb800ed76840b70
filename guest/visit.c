/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/visit.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/agent_ports.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/proto_agent.h"
#include "guest/carry.h"
#include "guest/session.h"
#include "guest/vsock.h"

_Static_assert(VISITS_MAX > SESSIONS_MAX, "there must be a visit without a session to end");

/* How many connections are taken before others have their turn. */
#define ROUND 16
/* What a host may still have been sending when its session ended: stdin that was credited, frames.
 */
#define LEFTOVER_MAX (2 * SESSION_STDIN_MAX)

struct visit {
	struct carrier carrier;
	bool parted;	 /* the session has ended */
	size_t leftover; /* bytes that came since */
	struct visit *next;
};

static struct {
	struct loop *loop;
	struct source listener;
	struct timer again;
	struct visit *list; /* the newest first */
	unsigned n;
} visits;

static void drop(struct visit *v)
{
	struct visit **p = &visits.list;

	while (*p != v)
		p = &(*p)->next;
	*p = v->next;
	visits.n--;
	carry_drop(&v->carrier);
	free(v);
}

static void on_over(struct carrier *c)
{
	struct visit *v = container_of(c, struct visit, carrier);

	v->parted = true;
	stream_destroyp(&c->stream);
}

/* The host has what it needs: until it closes, what it says is dropped. */
static void wait_for_end(struct visit *v)
{
	static uint8_t buf[4096];
	ssize_t n;

	while ((n = read(v->carrier.source.fd, buf, sizeof(buf))) > 0) {
		v->leftover += (size_t)n;
		if (v->leftover > LEFTOVER_MAX)
			break;
	}
	if (n >= 0 || (errno != EAGAIN && errno != EINTR))
		drop(v);
}

static void on_stream(struct source *source, uint32_t events)
{
	struct carrier *c = container_of(source, struct carrier, source);
	struct visit *v = container_of(c, struct visit, carrier);
	struct err err = ERR_INIT;

	if (v->parted) {
		wait_for_end(v);
		return;
	}
	if (carry_take(c, &err) < 0) {
		if (err.code == ERR_protocol)
			log_warning("a session: %s", err.msg);
		drop(v);
		return;
	}
	carry_move(c);
}

static void make_room(void)
{
	struct visit *oldest = NULL;

	if (visits.n < VISITS_MAX)
		return;
	for (struct visit *v = visits.list; v; v = v->next)
		if (!v->carrier.session)
			oldest = v;
	if (oldest)
		drop(oldest);
}

static int begin(int fd, struct err *err)
{
	struct visit *v;

	make_room();
	v = calloc(1, sizeof(*v));
	if (!v) {
		fd_closep(&fd);
		return err_sys(err, ERR_operation_failed, ENOMEM, "no room for a session");
	}
	v->carrier = (struct carrier){ .source = { fd, on_stream }, .over = on_over };
	v->next = visits.list;
	visits.list = v;
	visits.n++;
	if (stream_create(&agent_protocol, &v->carrier.stream, err) < 0 ||
		loop_watch(visits.loop, &v->carrier.source, EPOLLIN | EPOLLOUT, err) < 0) {
		drop(v);
		return -1;
	}
	return 0;
}

static void take_connections(void)
{
	for (int i = 0; i < ROUND; i++) {
		struct err err = ERR_INIT;
		int fd = vsock_accept(visits.listener.fd);

		if (fd < 0 && errno != EPERM)
			return;
		if (fd >= 0 && begin(fd, &err) < 0)
			log_warning("%s", err.msg);
	}
	loop_timer_set(visits.loop, &visits.again, 0);
}

static void on_listener(struct source *s, uint32_t events)
{
	take_connections();
}

static void on_again(struct timer *t)
{
	take_connections();
}

int visit_start(struct loop *loop, struct err *err)
{
	visits.loop = loop;
	visits.listener = (struct source){ -1, on_listener };
	visits.again.fire = on_again;
	if (vsock_listen(AGENT_VSOCK_SESSION, &visits.listener.fd, err) < 0)
		return -1;
	return loop_watch(loop, &visits.listener, EPOLLIN, err);
}
