/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/http_client: against an API that is slow, silent, half, or not one at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "bangerd/http_client.h"
#include "common/fd.h"
#include "common/str.h"
#include "tests/common/scripted_peer.h"

#define NONE  "HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\r\n"
#define HELLO "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello"

static struct http_client *start(struct scripted_peer *p, const struct peer_turn *turns, size_t n)
{
	struct http_client *c;
	struct err err = ERR_INIT;

	assert_int_equal(http_client_open(scripted_peer_start(p, turns, n), "It", &c, &err), 0);
	return c;
}

static void end(struct http_client *c, struct scripted_peer *p)
{
	http_client_close(c);
	scripted_peer_join(p);
}

static int request(struct http_client *c, const char *body, unsigned ms, struct http_reply *ret,
	struct err *err)
{
	struct wait w = wait_ms(-1, ms);

	return http_client_request(c, body ? "PUT" : "GET", "/a/b", body, &w, ret, err);
}

static void one_connection_many_requests(void **state)
{
	static const struct peer_turn turns[] = {
		{ .says = NONE },
		{ .says = HELLO },
		{ .says = HELLO, .piece = 1 },
		{ .says = "HTTP/1.1 400 \r\nContent-Length: 2\r\n\r\n{}",
			.piece = 3,
			.pause_ms = 5 },
		{ .says = NONE },
	};
	static const unsigned statuses[] = { 204, 200, 200, 400, 204 };
	struct scripted_peer p;
	struct http_client *c = start(&p, turns, ARRAY_SIZE(turns));
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		struct http_reply r;

		assert_int_equal(request(c, i % 2 ? NULL : "{\"x\":1}", 10000, &r, &err), 0);
		assert_int_equal(r.status, statuses[i]);
		if (statuses[i] == 200)
			assert_string_equal(r.body, "hello");
		http_reply_finish(&r);
	}
	end(c, &p);
	assert_true(str_starts(p.heard,
		"PUT /a/b HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
		"Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"x\":1}"
		"GET /a/b HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\nPUT"));
}

/* What goes wrong with one request, and how soon. */
struct wrong {
	struct peer_turn turn;
	enum err_code code;
	const char *part;
};

static void wrong_peers(void **state)
{
	static const struct wrong wrongs[] = {
		{ { .says = NULL }, ERR_timeout, "It did not answer in time" },
		{ { .says = "HTTP/1.1 200 \r\nContent-Le" }, ERR_timeout, "in time" },
		{ { .says = "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhel" }, ERR_timeout,
			"time" },
		{ { .says = HELLO, .piece = 1, .pause_ms = 20 }, ERR_timeout, "in time" },
		{ { .says = "", .closes = true }, ERR_unavailable, "It closed" },
		{ { .says = "HTTP/1.1 204 \r\nServer: Fire", .closes = true }, ERR_unavailable,
			"It closed" },
		{ { .says = "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhel", .closes = true },
			ERR_unavailable, "It closed" },
		{ { .says = "HTTP/1.1 200 \r\n\r\n{}", .closes = true }, ERR_protocol,
			"no length" },
		{ { .says = NONE NONE }, ERR_protocol, "bytes behind" },
		{ { .says = NONE HELLO }, ERR_protocol, "bytes behind" },
		{ { .says = "HTTP/1.1 100 Continue\r\n\r\n" NONE }, ERR_protocol, "not final" },
		{ { .says = "SSH-2.0-OpenSSH_9.2\r\n" }, ERR_protocol, "no HTTP" },
		{ { .says = "HTTP/1.1 200 \r\nContent-Length: 1099511627776\r\n\r\n{" },
			ERR_protocol, "too long a body" },
		{ { .says = "HTTP/1.1 200 \r\nTransfer-Encoding: "
			    "chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" },
			ERR_protocol, "transfer encoding" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrongs); i++) {
		struct scripted_peer p;
		struct http_client *c = start(&p, &wrongs[i].turn, 1);
		struct http_reply r;
		struct err err = ERR_INIT;
		int failed = request(c, "{}", 300, &r, &err);

		if (failed != -1 || err.code != wrongs[i].code || !strstr(err.msg, wrongs[i].part))
			fail_msg("%zu: %s: %s", i, err_code_name(err.code), err.msg);
		assert_int_equal(request(c, NULL, 300, &r, &err), -1);
		assert_int_equal(err.code, ERR_unavailable);
		assert_non_null(strstr(err.msg, "broken"));
		end(c, &p);
	}
}

/* What comes between two requests is an answer to neither. */
static void unasked(void **state)
{
	int sv[2];
	struct http_client *c;
	struct http_reply r;
	struct err err = ERR_INIT;

	(void)state;
	for (int close_it = 0; close_it < 2; close_it++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
		assert_int_equal(http_client_open(sv[0], "It", &c, &err), 0);
		if (close_it)
			fd_closep(&sv[1]);
		else
			assert_int_equal(fd_write_full(sv[1], NONE, strlen(NONE)), 0);
		assert_int_equal(request(c, NULL, 1000, &r, &err), -1);
		assert_int_equal(err.code, close_it ? ERR_unavailable : ERR_protocol);
		assert_non_null(strstr(err.msg, close_it ? "It closed" : "unasked"));
		http_client_close(c);
		fd_closep(&sv[1]);
	}
}

static void last_reply_of_a_connection(void **state)
{
	static const struct peer_turn turns[] = {
		{ .says = "HTTP/1.1 200 \r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
			.closes = true },
	};
	struct scripted_peer p;
	struct http_client *c = start(&p, turns, 1);
	struct http_reply r;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(request(c, NULL, 10000, &r, &err), 0);
	assert_string_equal(r.body, "{}");
	http_reply_finish(&r);
	assert_int_equal(request(c, NULL, 10000, &r, &err), -1);
	assert_int_equal(err.code, ERR_unavailable);
	end(c, &p);
}

/* A request that the peer reads late goes out in pieces; one that it never reads has an end. */
static void writes_that_wait(void **state)
{
	static const struct peer_turn late[] = { { .says = NONE } };
	char body[HTTP_REQUEST_MAX + 2];
	struct scripted_peer p;
	struct http_client *c;
	struct http_reply r;
	struct err err = ERR_INIT;
	int sv[2], least = 1;

	(void)state;
	memset(body, 'x', sizeof(body));
	body[HTTP_REQUEST_MAX] = '\0';
	c = start(&p, late, ARRAY_SIZE(late));
	assert_int_equal(request(c, body, 10000, &r, &err), 0);
	assert_int_equal(r.status, 204);
	body[HTTP_REQUEST_MAX] = 'x';
	body[HTTP_REQUEST_MAX + 1] = '\0';
	assert_int_equal(request(c, body, 10000, &r, &err), -1);
	assert_int_equal(err.code, ERR_bad_request);
	end(c, &p);
	body[HTTP_REQUEST_MAX] = '\0';
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)), 0);
	assert_int_equal(http_client_open(sv[0], "It", &c, &err), 0);
	assert_int_equal(request(c, body, 100, &r, &err), -1);
	assert_int_equal(err.code, ERR_timeout);
	http_client_close(c);
	fd_closep(&sv[1]);
}

static void cancelled(void **state)
{
	static const struct peer_turn silent[] = { { .says = NULL } };
	struct scripted_peer p;
	struct http_client *c = start(&p, silent, 1);
	struct http_reply r;
	struct err err = ERR_INIT;
	struct wait w;
	int pipes[2];

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(write(pipes[1], "x", 1), 1);
	w = wait_ms(pipes[0], 10000);
	assert_int_equal(http_client_request(c, "GET", "/", NULL, &w, &r, &err), -1);
	assert_int_equal(err.code, ERR_cancelled);
	end(c, &p);
	fd_close_many(pipes, 2);
}

static void paths_that_cannot_be_sent(void **state)
{
	static const char *const paths[] = { "", "a", "/a b", "/a\r\nX: y", "/\xc3\xa9", "/a?b",
		"/a%00" };
	static const struct peer_turn turns[] = { { .says = NONE } };
	struct scripted_peer p;
	struct http_client *c = start(&p, turns, 1);
	struct wait w = wait_ms(-1, 10000);
	struct http_reply r;
	struct err err = ERR_INIT;
	char longest[HTTP_PATH_MAX + 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		assert_int_equal(http_client_request(c, "GET", paths[i], NULL, &w, &r, &err), -1);
		assert_int_equal(err.code, ERR_bad_request);
	}
	memset(longest, '/', sizeof(longest));
	longest[HTTP_PATH_MAX + 1] = '\0';
	assert_int_equal(http_client_request(c, "GET", longest, NULL, &w, &r, &err), -1);
	longest[HTTP_PATH_MAX] = '\0';
	assert_int_equal(http_client_request(c, "GET", longest, NULL, &w, &r, &err), 0);
	end(c, &p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_connection_many_requests),
		cmocka_unit_test(wrong_peers),
		cmocka_unit_test(unasked),
		cmocka_unit_test(last_reply_of_a_connection),
		cmocka_unit_test(writes_that_wait),
		cmocka_unit_test(cancelled),
		cmocka_unit_test(paths_that_cannot_be_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
