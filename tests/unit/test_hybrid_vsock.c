/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/hybrid_vsock: the handshake, with a VMM that is in its guest's hands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "bangerd/hybrid_vsock.h"
#include "common/fd.h"
#include "common/str.h"
#include "tests/common/scripted_peer.h"

static int connect_to(const struct peer_turn *turn, unsigned ms, int *ret_fd,
	struct scripted_peer *p, struct err *err)
{
	struct wait w = wait_ms(-1, ms);

	*ret_fd = scripted_peer_start(p, turn, 1);
	assert_int_equal(fd_set_nonblock(*ret_fd, true), 0);
	return hybrid_vsock_connect(*ret_fd, 1024, &w, err);
}

/* What stands behind the newline is the stream's, whole. */
static void good(void **state)
{
	static const struct peer_turn turns[] = {
		{ PEER_LINE, "OK 1073741824\nstream", 0, 0, true },
		{ PEER_LINE, "OK 1073741824\nstream", 1, 2, true },
		{ PEER_LINE, "OK 4294967295\nstream", 0, 0, true },
		{ PEER_LINE, "OK 0\nstream", 0, 0, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(turns); i++) {
		struct scripted_peer p;
		struct err err = ERR_INIT;
		char rest[16] = "";
		int fd;

		assert_int_equal(connect_to(&turns[i], 10000, &fd, &p, &err), 0);
		assert_int_equal(fd_set_nonblock(fd, false), 0);
		assert_int_equal(fd_read_full(fd, rest, sizeof(rest) - 1), 6);
		assert_string_equal(rest, "stream");
		close(fd);
		scripted_peer_join(&p);
		assert_string_equal(p.heard, "CONNECT 1024\n");
	}
}

static void bad(void **state)
{
	static const struct {
		struct peer_turn turn;
		enum err_code code;
		const char *part;
	} bads[] = {
		{ { PEER_LINE, "", 0, 0, true }, ERR_unavailable, "nobody listens on port 1024" },
		{ { PEER_UNASKED, "", 0, 0, true }, ERR_unavailable, "nobody listens" },
		{ { PEER_LINE, NULL, 0, 0, false }, ERR_timeout, "in time" },
		{ { PEER_LINE, "OK 10737", 0, 0, false }, ERR_timeout, "in time" },
		{ { PEER_LINE, "OK 1073741824\n", 1, 40, false }, ERR_timeout, "in time" },
		{ { PEER_LINE, "OK 10", 0, 0, true }, ERR_protocol, "stopped" },
		{ { PEER_LINE, "\n", 0, 0, false }, ERR_protocol, "should not" },
		{ { PEER_LINE, "OK\n", 0, 0, false }, ERR_protocol, "should not" },
		{ { PEER_LINE, "OK \n", 0, 0, false }, ERR_protocol, "should not" },
		{ { PEER_LINE, "OK x\n", 0, 0, false }, ERR_protocol, "should not" },
		{ { PEER_LINE, "OK -1\n", 0, 0, false }, ERR_protocol, "should not" },
		{ { PEER_LINE, "OK 1 \n", 0, 0, false }, ERR_protocol, "should not" },
		{ { PEER_LINE, "OK 1\r\n", 0, 0, false }, ERR_protocol, "should not" },
		{ { PEER_LINE, "OK 4294967296\n", 0, 0, false }, ERR_protocol, "should not" },
		{ { PEER_LINE, "OK 10737418240", 0, 0, false }, ERR_protocol, "should not" },
		{ { PEER_LINE, "ok 1\n", 0, 0, false }, ERR_protocol, "should not" },
		{ { PEER_LINE, "ERR 1\n", 0, 0, false }, ERR_protocol, "should not" },
		{ { PEER_LINE, "HTTP/1.1 400 \r\n\r\n", 0, 0, false }, ERR_protocol, "should not" },
		{ { PEER_LINE, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0, 0, false },
			ERR_protocol, "should not" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bads); i++) {
		struct scripted_peer p;
		struct err err = ERR_INIT;
		int fd, r = connect_to(&bads[i].turn, 300, &fd, &p, &err);

		if (r != -1 || err.code != bads[i].code || !strstr(err.msg, bads[i].part))
			fail_msg("%zu: %s: %s", i, err_code_name(err.code), err.msg);
		close(fd);
		scripted_peer_join(&p);
	}
}

static void nul_in_the_answer(void **state)
{
	struct wait w = wait_ms(-1, 10000);
	struct err err = ERR_INIT;
	int sv[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(fd_write_full(sv[1], "OK 1\0 2\n", 8), 0);
	assert_int_equal(hybrid_vsock_connect(sv[0], 1024, &w, &err), -1);
	assert_int_equal(err.code, ERR_protocol);
	fd_close_many(sv, 2);
}

static void cancelled(void **state)
{
	struct err err = ERR_INIT;
	struct wait w;
	int sv[2], p[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	w = wait_ms(p[0], 10000);
	assert_int_equal(hybrid_vsock_connect(sv[0], 1024, &w, &err), -1);
	assert_int_equal(err.code, ERR_cancelled);
	fd_close_many(sv, 2);
	fd_close_many(p, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(bad),
		cmocka_unit_test(nul_in_the_answer),
		cmocka_unit_test(cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
