/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/stream.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#define OUT_CAP ((size_t)2 * FRAME_MAX)

/* in[in_at … in_len) is unread; the frame that stream_next() gave lies at in_at, `current` bytes
 * long. out[out_at … out_len) waits to be written. */
struct stream {
	const struct protocol *protocol;
	uint8_t *in, *out;
	size_t in_at, in_len, current;
	size_t out_at, out_len;
	struct header header; /* of the current frame */
	uint32_t seq;	      /* of the last stream_call() */
	bool broken;
	bool expecting; /* the peer's nonce */
	uint8_t nonce[STREAM_NONCE];
	size_t stale; /* bytes dropped while expecting */
};

int stream_create(const struct protocol *p, struct stream **ret, struct err *err)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (s) {
		s->protocol = p;
		s->in = malloc(FRAME_MAX);
		s->out = malloc(OUT_CAP);
	}
	if (!s || !s->in || !s->out) {
		stream_destroy(s);
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot make a stream");
	}
	*ret = s;
	return 0;
}

void stream_destroy(struct stream *s)
{
	if (!s)
		return;
	free(s->in);
	free(s->out);
	free(s);
}

void stream_destroyp(struct stream **s)
{
	stream_destroy(*s);
	*s = NULL;
}

void stream_reset(struct stream *s)
{
	struct stream fresh = { .protocol = s->protocol, .in = s->in, .out = s->out };

	*s = fresh;
}

void stream_nonce(uint8_t ret[STREAM_NONCE])
{
	/* So few bytes never come short, save for a signal before the pool is ready. */
	while (getrandom(ret, STREAM_NONCE, 0) != STREAM_NONCE)
		;
}

void stream_begin(struct stream *s, const uint8_t nonce[STREAM_NONCE])
{
	stream_reset(s);
	memcpy(s->nonce, nonce, STREAM_NONCE);
	memcpy(s->out, nonce, STREAM_NONCE);
	s->out_len = STREAM_NONCE;
	s->expecting = true;
}

bool stream_begun(const struct stream *s)
{
	return !s->expecting;
}

/* ---- reading ---- */

static void drop_current(struct stream *s)
{
	s->in_at += s->current;
	s->current = 0;
}

int stream_feed(struct stream *s, int fd, struct err *err)
{
	bool got = false;

	drop_current(s);
	memmove(s->in, s->in + s->in_at, s->in_len - s->in_at);
	s->in_len -= s->in_at;
	s->in_at = 0;
	while (s->in_len < FRAME_MAX) {
		ssize_t n = read(fd, s->in + s->in_len, FRAME_MAX - s->in_len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		/* An end or an error behind bytes will show again at the next call. */
		if (n <= 0 && got)
			break;
		if (n < 0)
			return err_sys(err, ERR_unavailable, errno, "cannot read from the peer");
		if (n == 0 && s->in_len > 0 && !s->expecting)
			return err_set(err, ERR_protocol, "the peer stopped inside a frame");
		if (n == 0)
			return err_set(err, ERR_unavailable, "the peer closed the stream");
		s->in_len += (size_t)n;
		got = true;
	}
	return got;
}

/* Drop all up to and including the nonce: 1 when it was there, 0 when it has not come yet. */
static int find_nonce(struct stream *s, struct err *err)
{
	size_t have = s->in_len - s->in_at, keep = STREAM_NONCE - 1;
	const uint8_t *at = memmem(s->in + s->in_at, have, s->nonce, STREAM_NONCE);
	size_t drop = have > keep ? have - keep : 0;

	if (at)
		drop = (size_t)(at - (s->in + s->in_at));
	s->stale += drop;
	s->in_at += drop;
	if (s->stale > STREAM_STALE_MAX) {
		s->broken = true;
		return err_set(err, ERR_protocol, "the peer did not begin with its nonce");
	}
	if (!at)
		return 0;
	s->in_at += STREAM_NONCE;
	s->expecting = false;
	return 1;
}

int stream_next(struct stream *s, struct header *ret, struct err *err)
{
	struct header h;
	int r;

	if (s->broken)
		return err_set(err, ERR_protocol, "the stream is broken");
	drop_current(s);
	if (s->expecting && (r = find_nonce(s, err)) <= 0)
		return r;
	if (s->in_len - s->in_at < FRAME_HEADER)
		return 0;
	if (codec_header(s->protocol, s->in + s->in_at, s->in_len - s->in_at, &h, err) < 0) {
		s->broken = true;
		return -1;
	}
	if (h.n_fds > 0) {
		s->broken = true;
		return err_set(err, ERR_protocol, "a frame on a byte stream has fds");
	}
	if (s->in_len - s->in_at < h.length)
		return 0;
	s->header = h;
	s->current = h.length;
	*ret = h;
	return 1;
}

int stream_decode(struct stream *s, void *st, struct err *err)
{
	if (codec_decode(s->protocol, &s->header, s->in + s->in_at, NULL, 0, st, err) == 0)
		return 0;
	s->broken = true;
	return -1;
}

int stream_decode_error(struct stream *s, struct err *ret, struct err *err)
{
	if (s->header.kind != FRAME_ERROR)
		return err_set(err, ERR_protocol, "an error was expected of the peer");
	if (codec_decode_error(&s->header, s->in + s->in_at, ret, err) == 0)
		return 0;
	s->broken = true;
	return -1;
}

size_t stream_unread(const struct stream *s, const void **ret)
{
	*ret = s->in + s->in_at;
	return s->in_len - s->in_at;
}

/* ---- writing ---- */

size_t stream_pending(const struct stream *s)
{
	return s->out_len - s->out_at;
}

size_t stream_room(const struct stream *s)
{
	size_t room = OUT_CAP - stream_pending(s);

	return room < FRAME_MAX ? room : FRAME_MAX;
}

static void compact_out(struct stream *s)
{
	memmove(s->out, s->out + s->out_at, stream_pending(s));
	s->out_len -= s->out_at;
	s->out_at = 0;
}

int stream_put(struct stream *s, uint16_t msg, enum frame_kind kind, uint32_t seq, const void *st,
	struct err *err)
{
	struct err e = ERR_INIT;
	size_t len, n_fds;
	int fds[FRAME_FDS];

	compact_out(s);
	if (codec_encode(s->protocol, msg, kind, seq, 0, st, s->out + s->out_len,
		    OUT_CAP - s->out_len, &len, fds, &n_fds, &e) < 0) {
		/* In a queue without room for the largest frame, room may be what is missing. */
		if (stream_room(s) < FRAME_MAX)
			return err_set(err, ERR_busy, "the peer does not take what it was sent");
		*err = e;
		return -1;
	}
	if (n_fds > 0)
		return err_set(err, ERR_bad_request, "fds do not travel on a byte stream");
	s->out_len += len;
	return 0;
}

int stream_put_error(
	struct stream *s, uint16_t msg, uint32_t seq, const struct err *e, struct err *err)
{
	struct err why = ERR_INIT;
	size_t len;

	compact_out(s);
	if (codec_encode_error(
		    msg, seq, 0, e, s->out + s->out_len, OUT_CAP - s->out_len, &len, &why) < 0)
		return err_set(err, ERR_busy, "the peer does not take what it was sent");
	s->out_len += len;
	return 0;
}

/* write(2), without SIGPIPE where there is a way. */
static ssize_t write_quietly(int fd, const void *p, size_t n)
{
	ssize_t w = send(fd, p, n, MSG_NOSIGNAL);

	return w < 0 && errno == ENOTSOCK ? write(fd, p, n) : w;
}

int stream_flush(struct stream *s, int fd, struct err *err)
{
	while (stream_pending(s) > 0) {
		ssize_t n = write_quietly(fd, s->out + s->out_at, stream_pending(s));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return err_sys(err, ERR_unavailable, errno, "cannot write to the peer");
		s->out_at += (size_t)n;
	}
	s->out_at = s->out_len = 0;
	return 1;
}

/* ---- waiting ---- */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The moment that a wait ends; UINT64_MAX is never. */
static uint64_t deadline_of(const struct stream_wait *w)
{
	return w->timeout_ms < 0 ? UINT64_MAX : now_ms() + (uint64_t)w->timeout_ms;
}

/* 0 when fd may have what `events` asks for. */
static int wait_for(int fd, short events, uint64_t deadline, int cancel_fd, struct err *err)
{
	struct pollfd p[2] = { { .fd = fd, .events = events },
		{ .fd = cancel_fd, .events = POLLIN } };

	for (;;) {
		uint64_t now = now_ms(), left = deadline > now ? deadline - now : 0;
		int r = poll(
			p, 2, left > INT_MAX ? (deadline == UINT64_MAX ? -1 : INT_MAX) : (int)left);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return err_sys(
				err, ERR_operation_failed, errno, "cannot wait for the peer");
		if (r == 0 && left <= INT_MAX)
			return err_set(err, ERR_timeout, "the peer did not answer in time");
		if (p[1].revents)
			return err_set(err, ERR_cancelled, "cancelled");
		if (p[0].revents)
			return 0;
	}
}

static int drain_until(struct stream *s, int fd, uint64_t deadline, int cancel_fd, struct err *err)
{
	int r;

	while ((r = stream_flush(s, fd, err)) == 0)
		if (wait_for(fd, POLLOUT, deadline, cancel_fd, err) < 0)
			return -1;
	return r < 0 ? -1 : 0;
}

static int recv_until(struct stream *s, int fd, uint64_t deadline, int cancel_fd,
	struct header *ret, struct err *err)
{
	int r;

	while ((r = stream_next(s, ret, err)) == 0) {
		r = stream_feed(s, fd, err);
		if (r == 0)
			r = wait_for(fd, POLLIN, deadline, cancel_fd, err);
		if (r < 0)
			return -1;
	}
	return r < 0 ? -1 : 0;
}

int stream_drain(struct stream *s, int fd, const struct stream_wait *w, struct err *err)
{
	return drain_until(s, fd, deadline_of(w), w->cancel_fd, err);
}

int stream_send(struct stream *s, int fd, uint16_t msg, enum frame_kind kind, uint32_t seq,
	const void *st, const struct stream_wait *w, struct err *err)
{
	uint64_t deadline = deadline_of(w);

	if (stream_room(s) < FRAME_MAX && drain_until(s, fd, deadline, w->cancel_fd, err) < 0)
		return -1;
	if (stream_put(s, msg, kind, seq, st, err) < 0)
		return -1;
	return drain_until(s, fd, deadline, w->cancel_fd, err);
}

int stream_recv(
	struct stream *s, int fd, struct header *ret, const struct stream_wait *w, struct err *err)
{
	return recv_until(s, fd, deadline_of(w), w->cancel_fd, ret, err);
}

int stream_call(struct stream *s, int fd, uint16_t msg, const void *in, void *out,
	const struct stream_wait *w, struct err *err)
{
	uint64_t deadline = deadline_of(w);
	uint32_t seq = ++s->seq, stale = 0;
	struct err answer = ERR_INIT;
	struct header h;

	if (stream_put(s, msg, FRAME_REQUEST, seq, in, err) < 0 ||
		drain_until(s, fd, deadline, w->cancel_fd, err) < 0)
		return -1;
	do {
		if (recv_until(s, fd, deadline, w->cancel_fd, &h, err) < 0)
			return -1;
		if (h.kind != FRAME_REPLY && h.kind != FRAME_ERROR)
			return err_set(err, ERR_protocol, "the peer sent what is no answer");
		/* Each request has one answer: there is no more to skip than was asked. */
		if (h.seq < seq && ++stale >= seq)
			return err_set(
				err, ERR_protocol, "the peer answers more than it was asked");
	} while (h.seq < seq);
	if (h.seq != seq || h.message != msg)
		return err_set(err, ERR_protocol, "the peer answered what was not asked");
	if (h.kind == FRAME_REPLY)
		return stream_decode(s, out, err);
	if (stream_decode_error(s, &answer, err) < 0)
		return -1;
	*err = answer;
	return -1;
}

int stream_handshake(struct stream *s, int fd, const struct stream_wait *w, struct err *err)
{
	uint64_t deadline = deadline_of(w);
	int r;

	if (drain_until(s, fd, deadline, w->cancel_fd, err) < 0)
		return -1;
	while (s->expecting) {
		r = find_nonce(s, err);
		if (r == 0)
			r = stream_feed(s, fd, err);
		if (r == 0)
			r = wait_for(fd, POLLIN, deadline, w->cancel_fd, err);
		if (r < 0)
			return -1;
	}
	return 0;
}
