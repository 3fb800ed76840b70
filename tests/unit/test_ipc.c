/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls over a socket pair, against an honest server and against a lying one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/frame.h"
#include "common/proto_source.h"
#include "common/str.h"

struct server {
	int calls;
};

#define PROTO	    source
#define PROTO_TABLE "common/proto/source.tbl.h"
#define PROTO_CTX   struct server
#include "common/ipc_serve.h"

int on_file_open(struct server *s, struct source_file_open_in *in, struct source_file_open_out *out,
	struct err *err)
{
	s->calls++;
	if (str_eq(in->path.s, "missing"))
		return err_set(err, ERR_not_found, "no file '%s'", in->path.s);
	if (str_eq(in->path.s, "evil"))
		return err_set(err, ERR_protocol, "a peer that lies");
	out->file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	out->size = 42;
	return 0;
}

struct fixture {
	int client, server;
	struct ipc *ch;
	pthread_t thread;
};

static void *serve(void *arg)
{
	struct server s = { 0 };
	struct err err = ERR_INIT;
	struct ipc *ch;

	if (ipc_open(*(int *)arg, &source_protocol, &ch, &err) < 0)
		return NULL;
	while (ipc_serve(ch, source_handlers, &s, NULL, &err) > 0)
		;
	ipc_close(ch);
	return NULL;
}

static void open_pair(struct fixture *f)
{
	struct err err = ERR_INIT;
	int sv[2];

	assert_int_equal(frame_pair(sv, &err), 0);
	f->client = sv[0];
	f->server = sv[1];
	assert_int_equal(ipc_open(f->client, &source_protocol, &f->ch, &err), 0);
}

static int ask(struct ipc *ch, const char *path, struct source_file_open_out *out, struct err *err)
{
	struct source_file_open_in in = { 0 };

	str_copy(in.path.s, sizeof(in.path.s), path);
	return source_file_open(ch, &in, out, err);
}

static int count_fds(void)
{
	int n = 0;

	for (int i = 0; i < 256; i++)
		n += fcntl(i, F_GETFD) >= 0;
	return n;
}

static void test_calls(void **state)
{
	struct source_file_open_out out;
	struct err err = ERR_INIT;
	struct fixture f;
	int before = count_fds();

	(void)state;
	open_pair(&f);
	pthread_create(&f.thread, NULL, serve, &f.server);
	assert_int_equal(ask(f.ch, "there", &out, &err), 0);
	assert_int_equal(out.size, 42);
	assert_int_equal(fcntl(out.file, F_GETFD), FD_CLOEXEC);
	close(out.file);
	assert_int_equal(ask(f.ch, "missing", &out, &err), -1);
	assert_int_equal(err.code, ERR_not_found);
	assert_string_equal(err.msg, "no file 'missing'");
	/* an error is an answer: the channel lives */
	assert_int_equal(ask(f.ch, "there", &out, &err), 0);
	close(out.file);
	/* what cannot be encoded is not sent */
	assert_int_equal(ask(f.ch, "two\nlines", &out, &err), -1);
	/* a handler that says `protocol` ends the channel without an answer */
	assert_int_equal(ask(f.ch, "evil", &out, &err), -1);
	assert_int_equal(err.code, ERR_unavailable);
	assert_true(ipc_broken(f.ch));
	assert_int_equal(ask(f.ch, "there", &out, &err), -1);
	assert_int_equal(err.code, ERR_unavailable);
	pthread_join(f.thread, NULL);
	ipc_close(f.ch);
	assert_int_equal(count_fds(), before);
}

/* What a lying server may send instead of the answer; none of it leaves an fd behind. */
static size_t lie(int which, uint8_t *p, size_t len)
{
	struct err e = ERR_INIT, err = ERR_INIT;

	switch (which) {
	case 0: /* another question's answer */
		p[8]++;
		return len;
	case 1: /* its own request back */
		return len;
	case 2: /* shorter than its header says */
		return len - 1;
	case 3:
		memset(p, 0xff, len);
		return len;
	case 4: /* a notice nobody asked for */
		p[6] = FRAME_NOTICE;
		return len;
	case 5: /* an error with a code that is none */
		err_set(&e, ERR_not_found, "x");
		codec_encode_error(0, 1, 0, &e, p, FRAME_MAX, &len, &err);
		p[FRAME_HEADER] = 0xff;
		return len;
	default:
		return 3;
	}
}

static void test_lies(void **state)
{
	static uint8_t buf[FRAME_MAX];

	(void)state;
	for (int which = 0; which < 7; which++) {
		struct source_file_open_in in = { .path.s = "x" };
		struct source_file_open_out out;
		struct err err = ERR_INIT;
		int before = count_fds(), fds[FRAME_FDS];
		size_t len, n;
		struct fixture f;

		open_pair(&f);
		/* the question is known beforehand, so the lie can wait in the socket */
		assert_int_equal(codec_encode(&source_protocol, 0, FRAME_REQUEST, 1, 0, &in, buf,
					 sizeof(buf), &len, fds, &n, &err),
			0);
		len = lie(which, buf, len);
		fds[0] = f.server;
		assert_int_equal(frame_send(f.server, buf, len, fds, 1, &err), 0);
		assert_int_equal(ask(f.ch, "x", &out, &err), -1);
		assert_int_equal(err.code, ERR_protocol);
		assert_true(ipc_broken(f.ch));
		close(f.server);
		ipc_close(f.ch);
		assert_int_equal(count_fds(), before);
	}
}

static void test_too_many_fds(void **state)
{
	uint8_t buf[64] = { 0 };
	int fds[FRAME_FDS], before = count_fds();
	struct err err = ERR_INIT;
	struct fixture f;
	size_t len, n;

	(void)state;
	open_pair(&f);
	for (size_t i = 0; i < FRAME_FDS; i++)
		fds[i] = f.server;
	assert_int_equal(frame_send(f.server, buf, 64, fds, FRAME_FDS, &err), 0);
	assert_int_equal(frame_recv(f.client, buf, 32, &len, fds, &n, &err), -1);
	assert_int_equal(err.code, ERR_protocol);
	close(f.server);
	ipc_close(f.ch);
	assert_int_equal(count_fds(), before);
}

/* A peer that refuses early and ends leaves requests unread: what it said is not lost by that. */
static void test_last_word(void **state)
{
	int fds[FRAME_FDS];
	struct err err = ERR_INIT;
	struct fixture f;
	size_t len, n;
	char buf[8];

	(void)state;
	open_pair(&f);
	assert_int_equal(frame_send(f.client, "unread", 6, NULL, 0, &err), 0);
	assert_int_equal(frame_send(f.server, "last", 4, NULL, 0, &err), 0);
	close(f.server);
	assert_int_equal(frame_recv(f.client, buf, sizeof(buf), &len, fds, &n, &err), 0);
	assert_int_equal(len, 4);
	assert_memory_equal(buf, "last", 4);
	assert_int_equal(frame_recv(f.client, buf, sizeof(buf), &len, fds, &n, &err), 0);
	assert_int_equal(len, 0);
	ipc_close(f.ch);
}

static void test_cancel_and_timeout(void **state)
{
	struct source_file_open_in in = { .path.s = "x" };
	struct source_file_open_out out;
	struct err err = ERR_INIT;
	struct fixture f;
	int cancel = eventfd(1, EFD_CLOEXEC);

	(void)state;
	open_pair(&f);
	assert_int_equal(ipc_call_long(f.ch, 0, &in, &out, NULL, NULL, cancel, -1, &err), -1);
	assert_int_equal(err.code, ERR_cancelled);
	close(f.server);
	ipc_close(f.ch);
	open_pair(&f);
	assert_int_equal(ipc_call_long(f.ch, 0, &in, &out, NULL, NULL, -1, 20, &err), -1);
	assert_int_equal(err.code, ERR_timeout);
	close(f.server);
	ipc_close(f.ch);
	close(cancel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_too_many_fds),
		cmocka_unit_test(test_last_word),
		cmocka_unit_test(test_cancel_and_timeout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
