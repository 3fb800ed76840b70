/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/http_message: replies whole, in pieces, and such as nobody may send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bangerd/http_message.h"
#include "common/str.h"

#define OK "HTTP/1.1 200 OK\r\n"

struct good {
	const char *text;
	unsigned status;
	bool keep_alive;
	const char *body; /* NULL: none */
};

static const struct good goods[] = {
	/* As Firecracker writes it, with no reason phrase. */
	{ "HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\r\n", 204, true,
		NULL },
	{ "HTTP/1.1 204\r\n\r\n", 204, true, NULL },
	{ "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204, true, NULL },
	{ OK "Server: Firecracker API\r\nConnection: keep-alive\r\n"
	     "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
		200, true, "{}" },
	{ "HTTP/1.1 400 \r\nContent-Length: 22\r\n\r\n{\"fault_message\":\"no\"}", 400, true,
		"{\"fault_message\":\"no\"}" },
	{ OK "content-length:2\r\nconnection: close\r\n\r\n{}", 200, false, "{}" },
	{ OK "Content-Length: 0\r\n\r\n", 200, true, NULL },
	{ "HTTP/1.1 500 \r\nContent-Length: 3\r\n\r\nno!", 500, true, "no!" },
	{ "HTTP/1.1 599 \r\nContent-Length: 4\r\n\r\n\r\n\r\n", 599, true, "\r\n\r\n" },
};

static struct http_message *fresh(void)
{
	struct err err = ERR_INIT;
	struct http_message *m;

	assert_int_equal(http_message_create(&m, &err), 0);
	return m;
}

/* Feed in pieces of `piece` bytes. */
static int feed(struct http_message *m, const char *text, size_t n, size_t piece, bool *done,
	struct err *err)
{
	for (size_t at = 0; at < n; at += piece) {
		size_t part = n - at < piece ? n - at : piece;

		if (*done)
			return err_set(err, ERR_protocol, "bytes behind the reply");
		if (http_message_feed(m, text + at, part, done, err) < 0)
			return -1;
	}
	return 0;
}

static void check_good(const struct good *g, size_t piece)
{
	struct http_message *m = fresh();
	struct http_reply r;
	struct err err = ERR_INIT;
	size_t n = strlen(g->text);
	bool done = false;

	assert_int_equal(feed(m, g->text, n, piece, &done, &err), 0);
	assert_true(done);
	http_message_take(m, &r);
	assert_int_equal(r.status, g->status);
	assert_int_equal(r.keep_alive, g->keep_alive);
	assert_int_equal(r.body_len, g->body ? strlen(g->body) : 0);
	if (g->body)
		assert_string_equal(r.body, g->body);
	else
		assert_null(r.body);
	http_reply_finish(&r);
	http_message_destroy(m);
}

static void whole_and_in_pieces(void **state)
{
	static const size_t pieces[] = { 1, 2, 3, 7, 16, 4096 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(goods); i++)
		for (size_t j = 0; j < ARRAY_SIZE(pieces); j++)
			check_good(&goods[i], pieces[j]);
}

/* Every cut of a good reply is unfinished, never an error and never done. */
static void cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++)
		for (size_t n = 0; n < strlen(goods[i].text); n++) {
			struct http_message *m = fresh();
			struct err err = ERR_INIT;
			bool done = false;

			assert_int_equal(feed(m, goods[i].text, n, 4096, &done, &err), 0);
			assert_false(done);
			http_message_destroy(m);
		}
}

static const struct {
	const char *text, *part;
} bads[] = {
	{ "GET / HTTP/1.1\r\n\r\n", "no HTTP" },
	{ "\r\n" OK "Content-Length: 0\r\n\r\n", "no HTTP" },
	{ "{\"fault_message\":\"no\"}", "no HTTP" },
	{ "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "another version" },
	{ "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", "another version" },
	{ "HTTP/9.9 204 \r\n\r\n", "another version" },
	{ "HTTP/1.1 100 Continue\r\n\r\n", "not final" },
	{ "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
		"not final" },
	{ "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", "not final" },
	{ "HTTP/1.1 600 \r\nContent-Length: 0\r\n\r\n", "not final" },
	{ "HTTP/1.1 2000 OK\r\n\r\n", "status" },
	{ "HTTP/1.1 -200 OK\r\n\r\n", "status" },
	{ "HTTP/1.1 OK\r\n\r\n", "status" },
	{ OK "\r\n", "no length" },
	{ "HTTP/1.1 400 \r\nServer: Firecracker API\r\n\r\n", "no length" },
	{ "HTTP/1.1 304 \r\n\r\n", "no length" },
	{ "HTTP/1.1 204 \r\nContent-Length: 5\r\n\r\nhello", "where none may be" },
	{ OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "transfer encoding" },
	{ OK "Transfer-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", "unexpected" },
	{ OK "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}", "length" },
	{ OK "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", "ength" },
	{ OK "Content-Length: 2\r\nTransfer-Encoding : chunked\r\n\r\n{}", "header" },
	{ "HTTP/1.1 204 \r\nTransfer-Encoding: chunked\r\n\r\n", "transfer encoding" },
	{ OK "Upgrade: h2c\r\nContent-Length: 0\r\n\r\n", "change of protocol" },
	{ OK "Connection: upgrade\r\nContent-Length: 0\r\n\r\n", "change of protocol" },
	{ OK "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", "length" },
	{ OK "Content-Length: 2\r\nContent-Length: 20\r\n\r\n{}", "length" },
	{ OK "Content-Length: -1\r\n\r\n", "length" },
	{ OK "Content-Length: +2\r\n\r\n{}", "length" },
	{ OK "Content-Length: 0x2\r\n\r\n{}", "length" },
	{ OK "Content-Length: 2 2\r\n\r\n{}", "length" },
	{ OK "Content-Length: 2, 2\r\n\r\n{}", "length" },
	{ OK "Content-Length:\r\n\r\n{}", "length" },
	{ OK "Content-Length: 1048577\r\n\r\n", "too long a body" },
	{ OK "Content-Length: 99999999999999\r\n\r\n", "too long a body" },
	{ OK "Content-Length: 18446744073709551616\r\n\r\n", "length" },
	{ OK "Content-Length: 2\r\n\r\n{}x", "behind" },
	{ OK "Content-Length: 2\r\n\r\n{}\r\n", "behind" },
	{ "HTTP/1.1 204 \r\n\r\nHTTP/1.1 204 \r\n\r\n", "behind" },
	{ OK "Content-Length: 2\r\n\r\n{}" OK "Content-Length: 2\r\n\r\n{}", "behind" },
	{ OK "No colon here\r\n\r\n", "header" },
	{ OK ": no name\r\n\r\n", "header" },
	{ OK "Content-Length 2\r\n\r\n{}", "header" },
};

static void refused(void **state)
{
	static const size_t pieces[] = { 1, 5, 4096 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bads); i++)
		for (size_t j = 0; j < ARRAY_SIZE(pieces); j++) {
			struct http_message *m = fresh();
			struct err err = ERR_INIT;
			bool done = false;

			if (feed(m, bads[i].text, strlen(bads[i].text), pieces[j], &done, &err) !=
					-1 ||
				err.code != ERR_protocol || !strstr(err.msg, bads[i].part))
				fail_msg("%zu by %zu: %s: %s", i, pieces[j],
					err_code_name(err.code), err.msg);
			http_message_destroy(m);
		}
}

/* A header of exactly n bytes, then a body of two, in one piece. */
static int header_of(size_t n, size_t piece, struct err *err)
{
	struct http_message *m = fresh();
	char *text = malloc(n + 16);
	size_t used;
	bool done = false;
	int r;

	assert_non_null(text);
	used = (size_t)snprintf(text, n, OK "Content-Length: 2\r\nX: ");
	memset(text + used, 'a', n - used - 4);
	memcpy(text + n - 4, "\r\n\r\n{}", 7);
	r = feed(m, text, n + 2, piece, &done, err);
	assert_int_equal(done, r == 0);
	http_message_destroy(m);
	free(text);
	return r;
}

static void long_headers(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	for (size_t piece = 1; piece < 20000; piece *= 3) {
		assert_int_equal(header_of(HTTP_HEAD_MAX - 1, piece, &err), 0);
		assert_int_equal(header_of(HTTP_HEAD_MAX, piece, &err), 0);
		assert_int_equal(header_of(HTTP_HEAD_MAX + 1, piece, &err), -1);
		assert_int_equal(err.code, ERR_protocol);
		assert_non_null(strstr(err.msg, "too long a header"));
	}
}

static void longest_body(void **state)
{
	static const char head[] = OK "Content-Length: 1048576\r\n\r\n";
	struct http_message *m = fresh();
	struct http_reply r;
	struct err err = ERR_INIT;
	char *text = malloc(sizeof(head) + HTTP_BODY_MAX);
	bool done = false;

	(void)state;
	assert_non_null(text);
	memcpy(text, head, sizeof(head) - 1);
	memset(text + sizeof(head) - 1, 'b', HTTP_BODY_MAX);
	assert_int_equal(feed(m, text, sizeof(head) - 1 + HTTP_BODY_MAX, 65536, &done, &err), 0);
	assert_true(done);
	http_message_take(m, &r);
	assert_int_equal(r.body_len, HTTP_BODY_MAX);
	assert_int_equal(strspn(r.body, "b"), HTTP_BODY_MAX);
	http_reply_finish(&r);
	http_message_destroy(m);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_and_in_pieces),
		cmocka_unit_test(cut),
		cmocka_unit_test(refused),
		cmocka_unit_test(long_headers),
		cmocka_unit_test(longest_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
