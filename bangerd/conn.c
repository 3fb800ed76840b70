/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "bangerd/closer.h"
#include "bangerd/conn_out.h"
#include "bangerd/loop.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/rpc_types.h"
#include "common/str.h"

#define READ_SIZE     65536
#define REQUESTS_MAX  16	   /* begun and not answered, of one connection */
#define LINES_A_TURN  32	   /* then others have a turn */
#define OUT_PAUSE     (256 * 1024) /* bytes waiting, with which no more lines are read */
#define OUT_MAX	      (16 * 1024 * 1024)
#define OUT_LOSSY_MAX 32768
#define STALLED_MS    30000

struct conn {
	unsigned refs;
	struct loop *loop;
	sd_event_source *source;
	int fd; /* -1: closed */
	struct conn_peer peer;
	uint64_t id;
	const struct conn_events *events;
	void *ctx;
	unsigned requests;
	uint32_t watching; /* what epoll is told */
	bool eof, closing;

	/* What was read and is no line yet, or waits for its turn: [at, len) of `in`, searched for
	 * a newline up to `searched`. */
	char *in;
	size_t cap, at, len, searched;
	/* Where the piece that was read last begins; the fds that came with it; those of the line
	 * at `at` when that began earlier. */
	size_t piece;
	struct conn_fds piece_fds, head_fds;

	struct conn_out out;
	int64_t stalled_since; /* 0: nothing waits */

	struct loop_task task; /* go on with lines, or close */
	bool posted;
};

/* One piece, whoever sent it: connections that are idle hold no buffer. */
static char read_buf[READ_SIZE];

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void drop_fds(struct conn *c, struct conn_fds *f)
{
	closer_close_many(c->peer.uid, f->fd, f->n);
	*f = (struct conn_fds){ 0 };
}

static bool paused(const struct conn *c)
{
	return c->closing || c->requests >= REQUESTS_MAX || conn_out_waiting(&c->out) > OUT_PAUSE;
}

static bool has_line(struct conn *c)
{
	const char *nl = NULL;

	if (c->searched < c->len)
		nl = memchr(c->in + c->searched, '\n', c->len - c->searched);
	c->searched = nl ? (size_t)(nl - c->in) : c->len;
	return nl != NULL;
}

/* Tell epoll what is wanted now, when it is not what it was told last. */
static void update_watch(struct conn *c)
{
	uint32_t want = 0;

	if (c->fd < 0)
		return;
	/* With a whole line there already, more is of no use yet. */
	if (!c->eof && !paused(c) && !has_line(c))
		want |= EPOLLIN;
	if (conn_out_waiting(&c->out) > 0)
		want |= EPOLLOUT;
	if (want != c->watching && sd_event_source_set_io_events(c->source, want) >= 0)
		c->watching = want;
}

static void post(struct conn *c)
{
	if (c->posted)
		return;
	c->posted = true;
	conn_ref(c);
	loop_post(c->loop, &c->task);
}

/* ---- lines ---- */

/* Hand over the line that ends at `searched`, with the fds that may be its. */
static void take_line(struct conn *c)
{
	size_t begin = c->at, end = c->searched;
	bool of_piece = begin >= c->piece, last = end + 1 == c->len;
	struct conn_fds *f = of_piece ? &c->piece_fds : &c->head_fds;
	size_t taken = 0;

	f->exact = !of_piece || last;
	/* No line begins in the piece: its fds came in the middle of this one. */
	if (!of_piece && last && c->piece_fds.n > 0) {
		f->stray = true;
		drop_fds(c, &c->piece_fds);
	}
	c->at = c->searched = end + 1;
	c->events->line(c->ctx, c, c->in + begin, end - begin, f);
	while (taken < f->n && f->fd[taken] < 0)
		taken++;
	if (f->exact) {
		drop_fds(c, f);
		return;
	}
	f->n -= taken;
	memmove(f->fd, f->fd + taken, f->n * sizeof(f->fd[0]));
}

static void too_long(struct conn *c)
{
	static const char answer[] =
		"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32602,\"message\":"
		"\"a request is longer than 256 KiB\",\"data\":{\"code\":\"bad_request\"}}}\n";

	conn_send(c, answer, sizeof(answer) - 1, -1);
	conn_close_soon(c);
}

/* Lines that are there, as many as may be now; the rest waits for answers, room, or its turn. */
static void take_lines(struct conn *c)
{
	for (unsigned n = 0; c->fd >= 0 && !paused(c) && has_line(c); n++) {
		if (n == LINES_A_TURN) {
			post(c);
			return;
		}
		if (c->searched - c->at > RPC_LINE_MAX) {
			too_long(c);
			return;
		}
		take_line(c);
	}
	if (c->fd >= 0 && !c->closing && c->searched == c->len && c->len - c->at > RPC_LINE_MAX)
		too_long(c);
}

/* Keep what is left, and only that. */
static void keep_rest(struct conn *c)
{
	size_t left = c->len - c->at;
	char *rest = NULL;

	if (c->fd < 0)
		return; /* closed meanwhile, with its buffer */
	if (left > 0 && c->in != read_buf) {
		memmove(c->in, c->in + c->at, left);
		rest = c->in;
	} else if (left > 0) {
		rest = malloc(left);
		if (!rest) {
			c->in = NULL;
			conn_close(c);
			return;
		}
		memcpy(rest, c->in + c->at, left);
		c->cap = left;
	} else if (c->in != read_buf) {
		free(c->in);
	}
	c->in = rest;
	c->cap = rest ? c->cap : 0;
	c->piece = c->piece > c->at ? c->piece - c->at : 0;
	c->searched -= c->at;
	c->len = left;
	c->at = 0;
}

/* Nothing can come any more, and nothing is owed. */
static bool finished(const struct conn *c)
{
	return c->eof && c->requests == 0 && conn_out_waiting(&c->out) == 0 && !c->posted;
}

static void go_on(struct conn *c)
{
	take_lines(c);
	keep_rest(c);
	if (c->fd >= 0 && finished(c))
		conn_close(c);
	update_watch(c);
}

/* ---- reading ---- */

static bool make_room(struct conn *c)
{
	char *more;

	if (c->len == 0) {
		c->in = read_buf;
		c->cap = READ_SIZE;
		return true;
	}
	if (c->cap - c->len >= READ_SIZE / 2)
		return true;
	/* take_lines() ended connections with longer lines: this stays below 2 RPC_LINE_MAX. */
	more = realloc(c->in, c->len * 2 + READ_SIZE);
	if (!more)
		return false;
	c->in = more;
	c->cap = c->len * 2 + READ_SIZE;
	return true;
}

/* The fds of a message into f; false when the client sent more than any request has. There was room
 * for all: one that the kernel has to drop it would close here. */
static bool take_fds(struct conn *c, struct msghdr *msg, struct conn_fds *f)
{
	*f = (struct conn_fds){ 0 };
	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		int fds[CLOSER_FDS_MAX];

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		/* One message has one such header. */
		memcpy(fds, CMSG_DATA(h), n * sizeof(int));
		if (n > RPC_FDS_MAX) {
			closer_close_many(c->peer.uid, fds, n);
			return false;
		}
		memcpy(f->fd, fds, n * sizeof(int));
		f->n = n;
	}
	return true;
}

/* A piece more. False when the connection is to be closed. */
static bool read_piece(struct conn *c)
{
	union {
		char buf[CMSG_SPACE(CLOSER_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf) };
	struct conn_fds came;
	ssize_t n;

	if (closer_is_full(c->peer.uid)) {
		log_info("uid %u sends files that do not close: connection closed",
			(unsigned)c->peer.uid);
		return false;
	}
	if (!make_room(c))
		return false;
	iov = (struct iovec){ c->in + c->len, c->cap - c->len };
	n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (!take_fds(c, &msg, &came)) {
		log_debug("uid %u: more file descriptors than a request can have",
			(unsigned)c->peer.uid);
		return false;
	}
	if (c->len > 0 && c->piece == 0) {
		/* The unfinished line is the last that began in the piece before. */
		c->head_fds = c->piece_fds;
	} else if (c->piece_fds.n > 0) {
		drop_fds(c, &c->piece_fds);
		c->head_fds.stray = true;
	}
	c->piece_fds = came;
	c->piece = c->len;
	c->len += (size_t)n;
	c->eof = n == 0;
	return true;
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *ctx)
{
	struct conn *c = conn_ref(ctx);
	struct err err = ERR_INIT;
	size_t sent = 0;
	bool alive = true;

	/* Both directions are shut: nobody reads answers. */
	if (revents & (EPOLLHUP | EPOLLERR))
		alive = false;
	if (alive && (revents & EPOLLOUT)) {
		alive = conn_out_flush(&c->out, c->fd, &sent, &err) == 0;
		if (sent > 0)
			c->stalled_since = conn_out_waiting(&c->out) > 0 ? now_ms() : 0;
	}
	if (alive && (revents & EPOLLIN))
		alive = read_piece(c);
	if (alive)
		go_on(c);
	else
		conn_close(c);
	conn_unref(c);
	return 0;
}

static void run_task(struct loop_task *task)
{
	struct conn *c = (struct conn *)((char *)task - offsetof(struct conn, task));

	c->posted = false;
	if (c->fd >= 0 && c->closing)
		conn_close(c);
	else if (c->fd >= 0)
		go_on(c);
	conn_unref(c);
}

/* ---- life ---- */

int conn_create(struct loop *loop, int fd, const struct conn_peer *peer, uint64_t id,
	const struct conn_events *events, void *ctx, struct conn **ret, struct err *err)
{
	struct conn *c = calloc(1, sizeof(*c));
	int r = c ? 0 : -ENOMEM;

	if (c) {
		*c = (struct conn){ .refs = 1,
			.loop = loop,
			.fd = fd,
			.peer = *peer,
			.id = id,
			.events = events,
			.ctx = ctx,
			.watching = EPOLLIN };
		c->task.run = run_task;
		conn_out_init(&c->out);
		r = sd_event_add_io(loop_event(loop), &c->source, fd, EPOLLIN, on_io, c);
	}
	if (r < 0) {
		free(c);
		fd_closep(&fd);
		return err_sys(err, ERR_unavailable, -r, "cannot serve a connection");
	}
	*ret = c;
	return 0;
}

struct conn *conn_ref(struct conn *c)
{
	c->refs++;
	return c;
}

void conn_unref(struct conn *c)
{
	if (!c || --c->refs > 0)
		return;
	conn_close(c);
	free(c);
}

const struct conn_peer *conn_peer(const struct conn *c)
{
	return &c->peer;
}

uint64_t conn_id(const struct conn *c)
{
	return c->id;
}

void conn_close(struct conn *c)
{
	if (c->fd < 0)
		return;
	c->source = sd_event_source_disable_unref(c->source);
	closer_hang_up(c->peer.uid, &c->fd);
	drop_fds(c, &c->head_fds);
	drop_fds(c, &c->piece_fds);
	conn_out_finish(&c->out);
	if (c->in != read_buf)
		free(c->in);
	c->in = NULL;
	c->at = c->len = c->cap = c->searched = 0;
	c->events->closed(c->ctx, c);
}

void conn_close_soon(struct conn *c)
{
	c->closing = true;
	post(c);
}

void conn_request_begin(struct conn *c)
{
	c->requests++;
}

void conn_request_end(struct conn *c)
{
	c->requests--;
	/* Lines may wait for this, or the end of the connection. */
	if (c->fd >= 0 && (c->len > 0 || c->eof || c->requests == REQUESTS_MAX - 1))
		post(c);
}

/* ---- sending ---- */

void conn_send(struct conn *c, const char *line, size_t len, int fd)
{
	struct err err = ERR_INIT;

	if (c->fd < 0) {
		fd_closep(&fd);
		return;
	}
	if (conn_out_send(&c->out, c->fd, line, len, fd, &err) < 0) {
		conn_close_soon(c);
	} else if (conn_out_waiting(&c->out) > OUT_MAX) {
		log_info("uid %u does not read its answers: connection closed",
			(unsigned)c->peer.uid);
		conn_close_soon(c);
	}
	if (conn_out_waiting(&c->out) > 0) {
		if (c->stalled_since == 0)
			c->stalled_since = now_ms();
		update_watch(c);
	}
}

void conn_send_lossy(struct conn *c, const char *line, size_t len)
{
	if (conn_out_waiting(&c->out) <= OUT_LOSSY_MAX)
		conn_send(c, line, len, -1);
}

void conn_check_stalled(struct conn *c, int64_t now)
{
	if (c->fd < 0 || c->stalled_since == 0 || now - c->stalled_since < STALLED_MS)
		return;
	log_info("uid %u has not read its answers for %d seconds: connection closed",
		(unsigned)c->peer.uid, STALLED_MS / 1000);
	conn_close(c);
}
