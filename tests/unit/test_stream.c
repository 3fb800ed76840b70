/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/stream: frames over a byte stream whose other end is hostile. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/fd.h"
#include "common/proto_agent.h"
#include "common/str.h"
#include "common/stream.h"

static const struct stream_wait second = { 1000, -1 }, soon = { 50, -1 };

struct ends {
	struct stream *a, *b;
	int fd[2];
};

static int setup(void **state)
{
	struct ends *e = calloc(1, sizeof(*e));
	struct err err = ERR_INIT;

	assert_non_null(e);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, e->fd), 0);
	assert_int_equal(stream_create(&agent_protocol, &e->a, &err), 0);
	assert_int_equal(stream_create(&agent_protocol, &e->b, &err), 0);
	*state = e;
	return 0;
}

static int teardown(void **state)
{
	struct ends *e = *state;

	fd_close_many(e->fd, 2);
	stream_destroy(e->a);
	stream_destroy(e->b);
	free(e);
	return 0;
}

/* A whole exec request as bytes. */
static size_t exec_frame(uint8_t *buf, size_t cap)
{
	static const char argv[] = "sh\0-c\0exit 42";
	struct agent_exec_in in = { .tty = true, .rows = 24, .columns = 80 };
	struct err err = ERR_INIT;
	size_t len;

	assert_true(strv_parse(argv, sizeof(argv), &in.argv));
	assert_true(text_parse("root", &in.user));
	assert_int_equal(codec_encode(&agent_protocol, agent_msg_exec, FRAME_REQUEST, 7, 0, &in,
				 buf, cap, &len, NULL, NULL, &err),
		0);
	return len;
}

static void check_exec(struct stream *s, const struct header *h)
{
	struct agent_exec_in in;
	struct err err = ERR_INIT;

	assert_int_equal(h->message, agent_msg_exec);
	assert_int_equal(h->kind, FRAME_REQUEST);
	assert_int_equal(h->seq, 7);
	assert_int_equal(stream_decode(s, &in, &err), 0);
	assert_int_equal(in.argv.count, 3);
	assert_string_equal(in.argv.p, "sh");
	assert_string_equal(in.user.s, "root");
	assert_int_equal(in.columns, 80);
}

/* Two frames, cut in two at every byte: each comes out whole, once, and not before its end. */
static void split_everywhere(void **state)
{
	struct ends *e = *state;
	uint8_t buf[1024];
	size_t len = exec_frame(buf, sizeof(buf) / 2);
	struct err err = ERR_INIT;
	struct header h;

	memcpy(buf + len, buf, len);
	for (size_t cut = 0; cut <= 2 * len; cut++) {
		size_t whole = cut / len;

		if (cut > 0) {
			assert_int_equal(write(e->fd[0], buf, cut), cut);
			assert_int_equal(stream_feed(e->a, e->fd[1], &err), 1);
		}
		for (size_t i = 0; i < whole; i++) {
			assert_int_equal(stream_next(e->a, &h, &err), 1);
			check_exec(e->a, &h);
		}
		assert_int_equal(stream_next(e->a, &h, &err), 0);
		if (cut < 2 * len) {
			assert_int_equal(write(e->fd[0], buf + cut, 2 * len - cut), 2 * len - cut);
			assert_int_equal(stream_feed(e->a, e->fd[1], &err), 1);
		}
		for (size_t i = whole; i < 2; i++) {
			assert_int_equal(stream_next(e->a, &h, &err), 1);
			check_exec(e->a, &h);
		}
		assert_int_equal(stream_next(e->a, &h, &err), 0);
		assert_int_equal(stream_feed(e->a, e->fd[1], &err), 0);
	}
}

/* Headers that no table allows: refused at once, without waiting for a body; and for good. */
static void wrong_headers(void **state)
{
	static const struct {
		size_t at;
		uint8_t byte;
	} cases[] = {
		{ 0, 23 },  /* shorter than its header (with length's other bytes zero) */
		{ 3, 1 },   /* 16 MiB */
		{ 5, 255 }, /* no such message */
		{ 6, 4 },   /* no such kind */
		{ 7, 1 },   /* an fd */
		{ 7, 200 }, /* more fds than any */
		{ 12, 1 },  /* the zero word */
	};
	struct ends *e = *state;
	struct header h;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t head[FRAME_HEADER] = { FRAME_HEADER };
		struct err err = ERR_INIT;

		stream_reset(e->a);
		head[cases[i].at] = cases[i].byte;
		assert_int_equal(write(e->fd[0], head, sizeof(head)), sizeof(head));
		assert_int_equal(stream_feed(e->a, e->fd[1], &err), 1);
		assert_int_equal(stream_next(e->a, &h, &err), -1);
		assert_int_equal(err.code, ERR_protocol);
		err = (struct err)ERR_INIT;
		assert_int_equal(stream_next(e->a, &h, &err), -1);
		assert_int_equal(err.code, ERR_protocol);
	}
}

/* A body that is not what its message says: a frame comes, but does not decode. */
static void wrong_body(void **state)
{
	struct ends *e = *state;
	uint8_t buf[512];
	size_t len = exec_frame(buf, sizeof(buf));
	struct err err = ERR_INIT;
	struct agent_exec_in in;
	struct header h;

	buf[0] = (uint8_t)(len - 1);
	assert_int_equal(write(e->fd[0], buf, len - 1), len - 1);
	assert_int_equal(stream_feed(e->a, e->fd[1], &err), 1);
	assert_int_equal(stream_next(e->a, &h, &err), 1);
	assert_int_equal(stream_decode(e->a, &in, &err), -1);
	assert_int_equal(err.code, ERR_protocol);
	assert_int_equal(stream_next(e->a, &h, &err), -1);
}

static void peer_stops(void **state)
{
	struct ends *e = *state;
	uint8_t buf[512];
	size_t len = exec_frame(buf, sizeof(buf));
	struct err err = ERR_INIT;
	struct header h;

	assert_int_equal(write(e->fd[0], buf, len), len);
	assert_int_equal(write(e->fd[0], buf, len / 2), len / 2);
	fd_closep(&e->fd[0]);
	assert_int_equal(stream_recv(e->a, e->fd[1], &h, &second, &err), 0);
	check_exec(e->a, &h);
	assert_int_equal(stream_recv(e->a, e->fd[1], &h, &second, &err), -1);
	assert_int_equal(err.code, ERR_protocol);
	stream_reset(e->a);
	assert_int_equal(stream_recv(e->a, e->fd[1], &h, &second, &err), -1);
	assert_int_equal(err.code, ERR_unavailable);
}

static void peer_is_silent(void **state)
{
	struct ends *e = *state;
	struct err err = ERR_INIT;
	struct header h;
	int p[2];
	struct stream_wait cancelled = { -1, -1 };

	assert_int_equal(write(e->fd[0], "\x18", 1), 1);
	assert_int_equal(stream_recv(e->a, e->fd[1], &h, &soon, &err), -1);
	assert_int_equal(err.code, ERR_timeout);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	cancelled.cancel_fd = p[0];
	assert_int_equal(stream_recv(e->a, e->fd[1], &h, &cancelled, &err), -1);
	assert_int_equal(err.code, ERR_cancelled);
	fd_close_many(p, 2);
}

/* The reader's buffer is bounded: a flood stays in the socket until frames are taken. */
static void flood(void **state)
{
	struct ends *e = *state;
	static uint8_t big[FRAME_MAX];
	struct agent_stdin_data_in in = { { big, 65536 } }, out;
	struct err err = ERR_INIT;
	struct header h;
	size_t sent = 0, got = 0;

	memset(big, 'x', sizeof(big));
	while (got < 100) {
		int r;

		while (sent < 100 &&
			stream_put(e->a, agent_msg_stdin_data, FRAME_NOTICE, 0, &in, &err) == 0)
			sent++;
		assert_true(stream_pending(e->a) <= (size_t)2 * FRAME_MAX);
		assert_true(stream_flush(e->a, e->fd[0], &err) >= 0);
		assert_true(stream_feed(e->b, e->fd[1], &err) >= 0);
		while ((r = stream_next(e->b, &h, &err)) == 1) {
			assert_int_equal(stream_decode(e->b, &out, &err), 0);
			assert_int_equal(out.data.n, 65536);
			assert_memory_equal(out.data.p, big, 65536);
			got++;
		}
		assert_int_equal(r, 0);
	}
	assert_int_equal(sent, 100);
}

/* A queue that nobody reads says busy; a value too large for any queue says bad_request. */
static void no_reader(void **state)
{
	struct ends *e = *state;
	static uint8_t big[FRAME_MAX];
	struct agent_stdin_data_in in = { { big, FRAME_MAX } };
	struct err err = ERR_INIT;

	assert_int_equal(stream_put(e->a, agent_msg_stdin_data, FRAME_NOTICE, 0, &in, &err), -1);
	assert_int_equal(err.code, ERR_bad_request);
	assert_int_equal(stream_pending(e->a), 0);
	in.data.n = 65536;
	while (stream_put(e->a, agent_msg_stdin_data, FRAME_NOTICE, 0, &in, &err) == 0)
		stream_flush(e->a, e->fd[0], &err);
	assert_int_equal(err.code, ERR_busy);
	assert_int_equal(stream_drain(e->a, e->fd[0], &soon, &err), -1);
	assert_int_equal(err.code, ERR_timeout);
	fd_closep(&e->fd[1]);
	assert_int_equal(stream_drain(e->a, e->fd[0], &soon, &err), -1);
	assert_int_equal(err.code, ERR_unavailable);
}

/* stream_call against a peer that answers what it is told to. */
static void answers(void **state)
{
	struct ends *e = *state;
	struct err err = ERR_INIT, refusal = ERR_INIT;
	struct agent_exec_out ok = { 99 }, out = { 0 };
	struct agent_exec_in in = { 0 };
	uint16_t exec = agent_msg_exec;

	/* Two answers wait in the socket: one to a call given up (seq 1), one to the second. */
	assert_int_equal(stream_call(e->a, e->fd[0], exec, &in, &out, &soon, &err), -1);
	assert_int_equal(err.code, ERR_timeout);
	assert_int_equal(stream_send(e->b, e->fd[1], exec, FRAME_REPLY, 1, &ok, &second, &err), 0);
	ok.pid = 100;
	assert_int_equal(stream_send(e->b, e->fd[1], exec, FRAME_REPLY, 2, &ok, &second, &err), 0);
	assert_int_equal(stream_call(e->a, e->fd[0], exec, &in, &out, &second, &err), 0);
	assert_int_equal(out.pid, 100);

	err_set(&refusal, ERR_not_found, "no user 'bob' in the image");
	assert_int_equal(stream_put_error(e->b, exec, 3, &refusal, &err), 0);
	assert_int_equal(stream_drain(e->b, e->fd[1], &second, &err), 0);
	assert_int_equal(stream_call(e->a, e->fd[0], exec, &in, &out, &second, &err), -1);
	assert_int_equal(err.code, ERR_not_found);
	assert_string_equal(err.msg, "no user 'bob' in the image");

	/* An answer from the future, then a request in an answer's place. */
	assert_int_equal(stream_send(e->b, e->fd[1], exec, FRAME_REPLY, 9, &ok, &second, &err), 0);
	assert_int_equal(stream_call(e->a, e->fd[0], exec, &in, &out, &second, &err), -1);
	assert_int_equal(err.code, ERR_protocol);
	assert_int_equal(
		stream_send(e->b, e->fd[1], exec, FRAME_REQUEST, 5, &in, &second, &err), 0);
	assert_int_equal(stream_call(e->a, e->fd[0], exec, &in, &out, &second, &err), -1);
	assert_int_equal(err.code, ERR_protocol);
}

/* Both ends shake hands through what an earlier session left, and keep what comes behind. */
static void nonce(void **state)
{
	struct ends *e = *state;
	uint8_t n[STREAM_NONCE], buf[512];
	static uint8_t stale[STREAM_STALE_MAX];
	struct err err = ERR_INIT;
	struct header h;
	size_t len = exec_frame(buf, sizeof(buf));

	stream_nonce(n);
	for (size_t left = 0; left <= 40; left++) {
		/* The worst prefix: it looks like the nonce but for the last byte. */
		memcpy(stale, n, 15);
		stale[15] = (uint8_t)~n[15];
		memcpy(stale + 16, n, 15);
		stale[31] = (uint8_t)~n[15];
		stream_begin(e->a, n);
		stream_begin(e->b, n);
		assert_int_equal(
			write(e->fd[0], stale, left > 32 ? 32 : left), left > 32 ? 32 : left);
		assert_int_equal(stream_drain(e->a, e->fd[0], &second, &err), 0);
		assert_int_equal(write(e->fd[0], buf, len), len);
		assert_false(stream_begun(e->b));
		assert_int_equal(stream_handshake(e->b, e->fd[1], &second, &err), 0);
		assert_true(stream_begun(e->b));
		assert_int_equal(stream_recv(e->b, e->fd[1], &h, &second, &err), 0);
		check_exec(e->b, &h);
		assert_int_equal(stream_handshake(e->a, e->fd[0], &second, &err), 0);
	}
	/* Never the nonce. */
	memset(stale, 0, sizeof(stale));
	stream_begin(e->b, n);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(write(e->fd[0], stale, sizeof(stale)), sizeof(stale));
		if (i == 0)
			assert_int_equal(stream_handshake(e->b, e->fd[1], &soon, &err), -1);
	}
	assert_int_equal(err.code, ERR_timeout);
	assert_int_equal(stream_handshake(e->b, e->fd[1], &second, &err), -1);
	assert_int_equal(err.code, ERR_protocol);
}

/* A nonce that comes byte by byte. */
static void nonce_in_pieces(void **state)
{
	struct ends *e = *state;
	uint8_t n[STREAM_NONCE];
	struct err err = ERR_INIT;
	struct header h;

	stream_nonce(n);
	stream_begin(e->b, n);
	for (int i = 0; i < STREAM_NONCE; i++) {
		assert_false(stream_begun(e->b));
		assert_int_equal(write(e->fd[0], n + i, 1), 1);
		assert_int_equal(stream_feed(e->b, e->fd[1], &err), 1);
		assert_int_equal(stream_next(e->b, &h, &err), 0);
	}
	assert_true(stream_begun(e->b));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = { T(split_everywhere), T(wrong_headers), T(wrong_body),
		T(peer_stops), T(peer_is_silent), T(flood), T(no_reader), T(answers), T(nonce),
		T(nonce_in_pieces) };

	return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
