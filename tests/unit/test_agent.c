/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/agent: against agents that lie, flood, hang and stop in the middle. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "bangerd/agent.h"
#include "common/fd.h"
#include "common/str.h"
#include "common/stream.h"

/* How the fake answers each request that it reads. */
enum manner {
	HONEST,
	HANGS,
	HANGS_UP,
	STOPS_MID_FRAME,
	WRONG_SEQ,
	WRONG_MESSAGE,
	LATE_ANSWERS,
	ANSWERS_BY_REQUEST,
	LYING_LENGTH,
	ZERO_LENGTH,
	GARBAGE,
	FLOODS_OLD_ANSWERS,
	FLOODS_GARBAGE,
	BAD_VALUE,
	SAYS_ERROR,
	OLD_VERSION,
};

struct fake {
	int fd;
	enum manner manner;
	pthread_t thread;
};

static void put(uint8_t *p, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static bool say(struct fake *f, const void *p, size_t n)
{
	while (n > 0) {
		ssize_t w = send(f->fd, p, n, MSG_NOSIGNAL);

		if (w < 0 && errno == EAGAIN) {
			struct pollfd pfd = { .fd = f->fd, .events = POLLOUT };

			poll(&pfd, 1, 5000);
			continue;
		}
		if (w <= 0)
			return false;
		p = (const uint8_t *)p + w;
		n -= (size_t)w;
	}
	return true;
}

/* A good answer to `h`, as bytes. */
static size_t answer(const struct header *h, uint32_t seq, uint8_t *buf, size_t cap)
{
	struct agent_hello_out hello = { .version = AGENT_VERSION, .ready = true, .ports = 15 };
	struct agent_health_out health = { .uptime_ms = 1234, .main = main_state_running };
	struct agent_exec_out exec = { .pid = 77 };
	char nothing[8192] = { 0 };
	const void *st = h->message == agent_msg_hello	  ? (const void *)&hello
			 : h->message == agent_msg_health ? (const void *)&health
			 : h->message == agent_msg_exec	  ? (const void *)&exec
							  : nothing;
	struct err err = ERR_INIT;
	size_t n;

	assert_int_equal(codec_encode(&agent_protocol, h->message, FRAME_REPLY, seq, 0, st, buf,
				 cap, &n, NULL, NULL, &err),
		0);
	return n;
}

static bool misbehave(struct fake *f, const struct header *h)
{
	static uint8_t junk[65536];
	struct header other = *h;
	uint8_t buf[4096];
	struct err e = { .code = ERR_cancelled, .msg = "no such \033[31mthing" }, err = ERR_INIT;
	size_t n = answer(h, h->seq, buf, sizeof(buf));

	memset(junk, 0xa5, sizeof(junk));
	switch (f->manner) {
	case HONEST:
		return say(f, buf, n);
	case HANGS:
		return true;
	case HANGS_UP:
		return false;
	case STOPS_MID_FRAME:
		say(f, buf, n - 3);
		return false;
	case WRONG_SEQ:
		n = answer(h, h->seq + 1, buf, sizeof(buf));
		return say(f, buf, n);
	case WRONG_MESSAGE:
		other.message = agent_msg_sync;
		n = answer(&other, h->seq, buf, sizeof(buf));
		return say(f, buf, n);
	case LATE_ANSWERS:
		n = answer(h, h->seq - 1, buf, sizeof(buf));
		if (h->seq > 1)
			say(f, buf, n);
		n = answer(h, h->seq, buf, sizeof(buf));
		return say(f, buf, n);
	case ANSWERS_BY_REQUEST:
		buf[6] = FRAME_REQUEST;
		return say(f, buf, n);
	case LYING_LENGTH:
		put(buf, FRAME_MAX + 1, 4);
		return say(f, buf, n);
	case ZERO_LENGTH:
		put(buf, 0, 4);
		return say(f, buf, n);
	case GARBAGE:
		return say(f, junk, 100);
	case FLOODS_OLD_ANSWERS:
		n = answer(h, h->seq - 1, buf, sizeof(buf));
		while (say(f, buf, n))
			;
		return false;
	case FLOODS_GARBAGE:
		while (say(f, junk, sizeof(junk)))
			;
		return false;
	case BAD_VALUE:
		buf[n - 1] = 0xff; /* the last field of hello is any byte; of health a u64 */
		put(buf, n + 1, 4);
		buf[n] = 0;
		return say(f, buf, n + 1);
	case SAYS_ERROR:
		assert_int_equal(
			codec_encode_error(h->message, h->seq, 0, &e, buf, sizeof(buf), &n, &err),
			0);
		return say(f, buf, n);
	case OLD_VERSION:
		put(buf + FRAME_HEADER, 99, 4);
		return say(f, buf, n);
	}
	return false;
}

static void *fake_main(void *arg)
{
	struct fake *f = arg;
	struct stream *s;
	const struct stream_wait w = { 5000, -1 };
	struct err err = ERR_INIT;
	struct header h;

	if (stream_create(&agent_protocol, &s, &err) < 0)
		return NULL;
	while (stream_recv(s, f->fd, &h, &w, &err) == 0 && misbehave(f, &h))
		;
	stream_destroy(s);
	close(f->fd);
	return NULL;
}

/* The end for the client, with a fake at the other. */
static int fake_start(struct fake *f, enum manner manner)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
	f->fd = sv[1];
	f->manner = manner;
	assert_int_equal(pthread_create(&f->thread, NULL, fake_main, f), 0);
	return sv[0];
}

static void honest(void **state)
{
	struct agent_hello_out hello;
	struct agent_health_in in;
	struct agent_health_out health;
	struct wait w = wait_ms(-1, 5000);
	struct err err = ERR_INIT;
	struct agent *a;
	struct fake f;

	(void)state;
	assert_int_equal(agent_create(&a, &err), 0);
	assert_int_equal(agent_call(a, agent_msg_health, &in, &health, &w, &err), -1);
	assert_int_equal(err.code, ERR_unavailable);
	assert_int_equal(agent_attach(a, fake_start(&f, HONEST), &w, &hello, &err), 0);
	assert_true(agent_attached(a));
	assert_int_equal(hello.ports, 15);
	assert_int_equal(agent_call(a, agent_msg_health, &in, &health, &w, &err), 0);
	assert_int_equal(health.uptime_ms, 1234);
	agent_detach(a);
	pthread_join(f.thread, NULL);
	assert_false(agent_attached(a));
	agent_destroy(a);
}

static void hostile_hello(void **state)
{
	static const struct {
		enum manner manner;
		enum err_code code;
		unsigned ms;
	} cases[] = {
		{ HANGS, ERR_timeout, 100 },
		{ HANGS_UP, ERR_unavailable, 5000 },
		{ STOPS_MID_FRAME, ERR_protocol, 5000 },
		{ WRONG_SEQ, ERR_protocol, 5000 },
		{ WRONG_MESSAGE, ERR_protocol, 5000 },
		{ ANSWERS_BY_REQUEST, ERR_protocol, 5000 },
		{ LYING_LENGTH, ERR_protocol, 5000 },
		{ ZERO_LENGTH, ERR_protocol, 5000 },
		{ GARBAGE, ERR_protocol, 5000 },
		{ FLOODS_OLD_ANSWERS, ERR_protocol, 5000 },
		{ FLOODS_GARBAGE, ERR_protocol, 5000 },
		{ BAD_VALUE, ERR_protocol, 5000 },
		{ OLD_VERSION, ERR_bad_version, 5000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct agent_hello_out hello = { .ports = 3 };
		struct wait w = wait_ms(-1, cases[i].ms);
		struct err err = ERR_INIT;
		struct agent *a;
		struct fake f;

		assert_int_equal(agent_create(&a, &err), 0);
		assert_int_equal(
			agent_attach(a, fake_start(&f, cases[i].manner), &w, &hello, &err), -1);
		if (err.code != cases[i].code)
			fail_msg("%zu: %s: %s", i, err_code_name(err.code), err.msg);
		assert_false(agent_attached(a));
		assert_int_equal(hello.ports, 3);
		pthread_join(f.thread, NULL);
		agent_destroy(a);
	}
}

/* An answer that comes after its request was given up does not become the next one's. */
static void late_answers(void **state)
{
	struct agent_hello_out hello;
	struct agent_health_in in;
	struct agent_health_out health;
	struct wait w = wait_ms(-1, 5000);
	struct err err = ERR_INIT;
	struct agent *a;
	struct fake f;

	(void)state;
	assert_int_equal(agent_create(&a, &err), 0);
	assert_int_equal(agent_attach(a, fake_start(&f, LATE_ANSWERS), &w, &hello, &err), 0);
	assert_int_equal(agent_call(a, agent_msg_health, &in, &health, &w, &err), 0);
	assert_int_equal(health.uptime_ms, 1234);
	agent_destroy(a);
	pthread_join(f.thread, NULL);
}

static void a_guests_error_is_the_guests(void **state)
{
	struct agent_exec_in in = { .user = { "nobody" } };
	struct agent_exec_out out = { .pid = 5 };
	struct wait w = wait_ms(-1, 5000);
	struct err err = ERR_INIT;
	struct fake f;
	int fd = fake_start(&f, SAYS_ERROR);

	(void)state;
	assert_int_equal(agent_exec_begin(fd, &in, &out, &w, &err), -1);
	assert_int_equal(err.code, ERR_operation_failed);
	assert_string_equal(err.msg, "no such ?[31mthing");
	assert_int_equal(out.pid, 5);
	close(fd);
	pthread_join(f.thread, NULL);
}

static void hostile_exec(void **state)
{
	static const struct {
		enum manner manner;
		enum err_code code;
		unsigned ms;
	} cases[] = {
		{ HANGS, ERR_timeout, 100 },
		{ HANGS_UP, ERR_unavailable, 5000 },
		{ STOPS_MID_FRAME, ERR_unavailable, 5000 },
		{ WRONG_SEQ, ERR_protocol, 5000 },
		{ WRONG_MESSAGE, ERR_protocol, 5000 },
		{ ANSWERS_BY_REQUEST, ERR_protocol, 5000 },
		{ LYING_LENGTH, ERR_protocol, 5000 },
		{ GARBAGE, ERR_protocol, 5000 },
		{ FLOODS_GARBAGE, ERR_protocol, 5000 },
		{ BAD_VALUE, ERR_protocol, 5000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct wait w = wait_ms(-1, cases[i].ms);
		struct agent_exec_in in = { .rows = 1 };
		struct agent_exec_out out = { .pid = 5 };
		struct err err = ERR_INIT;
		struct fake f;
		int fd = fake_start(&f, cases[i].manner);

		assert_int_equal(agent_exec_begin(fd, &in, &out, &w, &err), -1);
		if (err.code != cases[i].code)
			fail_msg("%zu: %s: %s", i, err_code_name(err.code), err.msg);
		close(fd);
		pthread_join(f.thread, NULL);
	}
}

/* What the guest says behind the acceptance is for the client to read. */
static void acceptance_is_read_to_the_byte(void **state)
{
	static const char behind[] = "what the command wrote";
	struct agent_exec_in in = { .rows = 24 };
	struct agent_exec_out out;
	struct header h = { .message = agent_msg_exec };
	struct wait w = wait_ms(-1, 5000);
	struct err err = ERR_INIT;
	uint8_t buf[256];
	char back[64] = "";
	size_t n;
	int sv[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	n = answer(&h, 1, buf, sizeof(buf));
	memcpy(buf + n, behind, sizeof(behind));
	assert_int_equal(fd_write_full(sv[1], buf, n + sizeof(behind)), 0);
	assert_int_equal(agent_exec_begin(sv[0], &in, &out, &w, &err), 0);
	assert_int_equal(out.pid, 77);
	assert_int_equal(read(sv[0], back, sizeof(back)), sizeof(behind));
	assert_string_equal(back, behind);
	fd_close_many(sv, 2);
}

static void nonces(void **state)
{
	uint8_t mine[STREAM_NONCE], stale[20000], back[STREAM_NONCE];
	struct wait w = wait_ms(-1, 2000), soon = wait_ms(-1, 50);
	struct err err = ERR_INIT;
	int sv[2];

	(void)state;
	stream_nonce(mine);
	memset(stale, mine[0], sizeof(stale));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(fd_set_nonblock(sv[1], false), 0);
	assert_int_equal(agent_handshake(sv[0], mine, &soon, &err), -1);
	assert_int_equal(err.code, ERR_timeout);
	assert_int_equal(fd_write_full(sv[1], stale, sizeof(stale)), 0);
	assert_int_equal(fd_write_full(sv[1], mine, sizeof(mine)), 0);
	assert_int_equal(agent_handshake(sv[0], mine, &w, &err), 0);
	assert_int_equal(fd_read_full(sv[1], back, sizeof(back)), sizeof(back));
	assert_memory_equal(back, mine, sizeof(mine));
	for (int i = 0; i < 4; i++)
		assert_int_equal(fd_write_full(sv[1], stale, sizeof(stale)), 0);
	assert_int_equal(agent_handshake(sv[0], mine, &w, &err), -1);
	assert_int_equal(err.code, ERR_protocol);
	fd_close_many(sv, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(honest),
		cmocka_unit_test(hostile_hello),
		cmocka_unit_test(late_answers),
		cmocka_unit_test(a_guests_error_is_the_guests),
		cmocka_unit_test(hostile_exec),
		cmocka_unit_test(acceptance_is_read_to_the_byte),
		cmocka_unit_test(nonces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
