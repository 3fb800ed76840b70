/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/rpc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "bangerd/call.h"
#include "bangerd/closer.h"
#include "bangerd/conn.h"
#include "bangerd/loop.h"
#include "bangerd/rpc_request.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"

#define CONNS_MAX     1024
#define CONNS_OF_USER 64  /* of one uid; root is one of them */
#define CONNS_OF_ROOT 128 /* so that root gets in when everybody else is at their limit */
#define ACCEPTS	      16  /* a turn */
#define CHECK_US      (10 * 1000000ULL)
#define RETRY_US      (200 * 1000ULL)

struct rpc {
	const struct services *services;
	rpc_gone gone;
	int listen_fd;
	sd_event_source *listen_source, *check_source, *retry_source;
	uint64_t next_id;
	struct conn *conns[CONNS_MAX + CONNS_OF_ROOT];
	unsigned n_conns;
	struct request_list requests;
};

static void on_line(void *ctx, struct conn *c, const char *line, size_t len, struct conn_fds *fds)
{
	struct rpc *rpc = ctx;

	request_begin(rpc->services, &rpc->requests, c, line, len, fds);
}

static void on_closed(void *ctx, struct conn *c)
{
	struct rpc *rpc = ctx;
	unsigned i = 0;

	request_cancel_all(&rpc->requests, c);
	rpc->gone(rpc->services, conn_id(c));
	while (rpc->conns[i] != c)
		i++;
	rpc->conns[i] = rpc->conns[--rpc->n_conns];
	conn_unref(c);
}

static const struct conn_events events = { .line = on_line, .closed = on_closed };

static unsigned conns_of(const struct rpc *rpc, uid_t uid)
{
	unsigned n = 0;

	for (unsigned i = 0; i < rpc->n_conns; i++)
		n += conn_peer(rpc->conns[i])->uid == uid;
	return n;
}

static bool has_room(const struct rpc *rpc, uid_t uid)
{
	unsigned of_root = conns_of(rpc, 0);

	if (uid == 0)
		return of_root < CONNS_OF_ROOT;
	if (closer_is_full(uid))
		return false;
	return rpc->n_conns - of_root < CONNS_MAX && conns_of(rpc, uid) < CONNS_OF_USER;
}

/* Say why, if the socket takes it at once. */
static void refuse(int fd)
{
	static const char line[] =
		"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32006,\"message\":"
		"\"too many connections\",\"data\":{\"code\":\"quota_exceeded\"}}}\n";

	(void)!send(fd, line, sizeof(line) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int check_later(struct rpc *rpc)
{
	sd_event_source_set_time_relative(rpc->check_source, CHECK_US);
	return sd_event_source_set_enabled(rpc->check_source, SD_EVENT_ONESHOT);
}

/* A connection that is not served; fds may wait in it already. */
static void turn_away(int fd, uid_t uid)
{
	log_info("uid %u has too many connections", (unsigned)uid);
	refuse(fd);
	closer_hang_up(uid, &fd);
}

static void serve(struct rpc *rpc, int fd_in)
{
	_cleanup_fd_ int fd = fd_in;
	struct ucred cred;
	socklen_t len = sizeof(cred);
	struct err err = ERR_INIT;
	struct conn *c;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0) {
		log_warning("cannot see who connects: %s", strerror(errno));
		return;
	}
	if (!has_room(rpc, cred.uid)) {
		turn_away(TAKE_FD(fd), cred.uid);
		return;
	}
	if (conn_create(rpc->services->loop, TAKE_FD(fd), &(struct conn_peer){ cred.uid, cred.pid },
		    ++rpc->next_id, &events, rpc, &c, &err) < 0) {
		log_warning("%s", err.msg);
		return;
	}
	rpc->conns[rpc->n_conns++] = c;
	if (rpc->n_conns == 1)
		check_later(rpc);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct rpc *rpc = ctx;

	sd_event_source_set_enabled(rpc->listen_source, SD_EVENT_ON);
	return 0;
}

/* Out of fds or memory: the backlog can wait, without us spinning on it. */
static void rest(struct rpc *rpc, int why)
{
	log_warning("cannot accept a connection: %s", strerror(why));
	sd_event_source_set_enabled(rpc->listen_source, SD_EVENT_OFF);
	sd_event_source_set_time_relative(rpc->retry_source, RETRY_US);
	sd_event_source_set_enabled(rpc->retry_source, SD_EVENT_ONESHOT);
}

static int on_listen(sd_event_source *source, int listen_fd, uint32_t revents, void *ctx)
{
	struct rpc *rpc = ctx;

	for (unsigned i = 0; i < ACCEPTS; i++) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			serve(rpc, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			rest(rpc, errno);
		/* Anything else was that connection's: EAGAIN, ECONNABORTED… */
		break;
	}
	return 0;
}

static int on_check(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct rpc *rpc = ctx;
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	/* Downwards: one that closes itself is replaced by the last. */
	for (unsigned i = rpc->n_conns; i-- > 0;)
		conn_check_stalled(rpc->conns[i], (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000);
	/* Without clients nothing wakes the daemon. */
	return rpc->n_conns > 0 ? check_later(rpc) : 0;
}

int rpc_create(const struct services *services, int listen_fd, rpc_gone gone, struct rpc **ret,
	struct err *err)
{
	struct rpc *rpc = calloc(1, sizeof(*rpc));
	sd_event *e = loop_event(services->loop);
	int r = rpc ? 0 : -ENOMEM;

	if (rpc) {
		*rpc = (struct rpc){ .services = services, .gone = gone, .listen_fd = listen_fd };
		r = sd_event_add_io(e, &rpc->listen_source, listen_fd, EPOLLIN, on_listen, rpc);
	} else {
		fd_closep(&listen_fd);
	}
	if (r >= 0)
		r = sd_event_add_time_relative(e, &rpc->check_source, CLOCK_MONOTONIC, CHECK_US,
			CHECK_US / 10, on_check, rpc);
	if (r >= 0)
		r = sd_event_source_set_enabled(rpc->check_source, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_time_relative(
			e, &rpc->retry_source, CLOCK_MONOTONIC, RETRY_US, 0, on_retry, rpc);
	if (r >= 0)
		r = sd_event_source_set_enabled(rpc->retry_source, SD_EVENT_OFF);
	if (r < 0) {
		rpc_destroy(rpc);
		return err_sys(err, ERR_operation_failed, -r, "cannot serve the socket");
	}
	*ret = rpc;
	return 0;
}

void rpc_close(struct rpc *rpc)
{
	rpc->listen_source = sd_event_source_disable_unref(rpc->listen_source);
	rpc->check_source = sd_event_source_disable_unref(rpc->check_source);
	rpc->retry_source = sd_event_source_disable_unref(rpc->retry_source);
	fd_closep(&rpc->listen_fd);
	while (rpc->n_conns > 0)
		conn_close(rpc->conns[rpc->n_conns - 1]);
}

void rpc_destroy(struct rpc *rpc)
{
	if (!rpc)
		return;
	rpc_close(rpc);
	free(rpc);
}
