/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/conn: lines however they are cut, and which fds belong to which of them. */
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

#include "bangerd/conn.h"
#include "bangerd/loop.h"
#include "common/codec.h"
#include "common/fd.h"
#include "common/frame.h"
#include "common/str.h"

static struct loop *loop;
static struct conn *conn;
static int client, first, before, closed;
/* What came: "line[fds]" each, "!" behind one with strays, "+" when others may follow. A line says
 * how many of the fds it takes by its first character, when that is a digit. */
static char seen[1024];

static void on_line(void *ctx, struct conn *c, const char *line, size_t len, struct conn_fds *fds)
{
	size_t n = strlen(seen),
	       take = len > 0 && line[0] >= '0' && line[0] <= '9' ? (size_t)(line[0] - '0') : 0;

	snprintf(seen + n, sizeof(seen) - n, "%.*s[%zu%s]%s ", (int)(len > 20 ? 20 : len), line,
		fds->n, fds->exact ? "" : "+", fds->stray ? "!" : "");
	for (size_t i = 0; i < take && i < fds->n; i++)
		fd_closep(&fds->fd[i]);
}

static void on_closed(void *ctx, struct conn *c)
{
	closed++;
}

static const struct conn_events events = { on_line, on_closed };

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* What a connection closes, others do: soon. */
static void await_fds(int n)
{
	for (int i = 0; open_fds() != n && i < 5000; i++)
		usleep(1000);
	assert_int_equal(open_fds(), n);
}

static int setup(void **state)
{
	struct err err = ERR_INIT;
	int sv[2];

	seen[0] = '\0';
	closed = 0;
	first = open_fds();
	if (loop_create(&loop, &err) < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return -1;
	client = sv[1];
	before = open_fds();
	fcntl(sv[0], F_SETFL, O_NONBLOCK);
	return conn_create(loop, sv[0], &(struct conn_peer){ 1, 1 }, 1, &events, NULL, &conn, &err);
}

static int teardown(void **state)
{
	conn_close(conn);
	conn_unref(conn);
	fd_closep(&client);
	loop_destroy(loop);
	await_fds(first);
	return 0;
}

static void turn(void)
{
	struct err err = ERR_INIT;

	for (int i = 0; i < 4; i++)
		assert_int_equal(loop_turn(loop, 0, &err), 0);
}

/* Bytes with fds, without the loop's having a turn. */
static void put(const char *data, size_t n_fds)
{
	int fds[FRAME_FDS] = { 0 };
	struct err err = ERR_INIT;

	for (size_t i = 0; i < n_fds; i++)
		fds[i] = STDERR_FILENO;
	assert_int_equal(frame_send(client, data, strlen(data), fds, n_fds, &err), 0);
}

static void expect(const char *what)
{
	turn();
	assert_string_equal(seen, what);
	seen[0] = '\0';
	/* Each line took what is its, and the rest is closed, which others do. */
	await_fds(before);
}

static void test_lines(void **state)
{
	put("one\ntwo\nthr", 0);
	expect("one[0+] two[0+] ");
	put("ee", 0);
	expect("");
	put("\n\n", 0);
	expect("three[0] [0] ");
	for (const char *p = "byte\n"; *p; p++) {
		put((char[]){ *p, '\0' }, 0);
		turn();
	}
	expect("byte[0] ");
}

static void test_fds_of_a_line(void **state)
{
	put("2 own\n", 2);
	expect("2 own[2] ");
	/* More than it says: all are shown to it, and the rest is closed. */
	put("1 own\n", 3);
	expect("1 own[3] ");
}

/* What was read together is told apart as far as the kernel tells it. */
static void test_fds_of_a_later_line(void **state)
{
	put("0 before\n", 0);
	put("2 with\n", 2);
	expect("0 before[2+] 2 with[2] ");
	put("1 first\n1 second\n", 2);
	expect("1 first[2+] 1 second[1] ");
}

static void test_fds_with_the_first_half(void **state)
{
	put("2 ha", 2);
	turn();
	assert_string_equal(seen, "");
	put("lf\n", 0);
	expect("2 half[2] ");
	put("2 ha", 2);
	turn();
	put("lf\n", 0);
	put("1 next\n", 1);
	expect("2 half[2] 1 next[1] ");
}

static void test_fds_with_the_second_half(void **state)
{
	put("0 ha", 0);
	turn();
	put("lf\n", 2);
	expect("0 half[0]! ");
	/* The next line begins in that piece, and may be whose they are. */
	put("0 ha", 0);
	turn();
	put("lf\n1 next\n", 1);
	expect("0 half[0] 1 next[1] ");
	/* In the middle of one that goes on. */
	put("0 ha", 0);
	turn();
	put("l", 1);
	turn();
	put("f\n", 0);
	expect("0 half[0]! ");
}

static void test_too_many_fds(void **state)
{
	int fds[RPC_FDS_MAX + 1];
	char control[CMSG_SPACE(sizeof(fds))] = { 0 };
	struct iovec iov = { (void *)(uintptr_t) "x\n", 2 };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&msg);

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = STDERR_FILENO;
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(h), fds, sizeof(fds));
	assert_int_equal(sendmsg(client, &msg, 0), 2);
	turn();
	assert_string_equal(seen, "");
	assert_int_equal(closed, 1);
}

/* 256 KiB are a line; a byte more is an answer and the end. */
static void test_long_lines(void **state)
{
	size_t n = 256 * 1024;
	char *data = malloc(n + 2), answer[512] = "";

	assert_non_null(data);
	memset(data, 'x', n + 1);
	data[n + 1] = '\0';
	assert_int_equal(fcntl(client, F_SETFL, O_NONBLOCK), 0);
	for (size_t sent = 0, i = 0; sent < n && i < 100; i++) {
		ssize_t k = send(client, data + sent, n - sent, 0);

		sent += k > 0 ? (size_t)k : 0;
		turn();
	}
	put("\n", 0);
	expect("xxxxxxxxxxxxxxxxxxxx[0] ");
	for (size_t sent = 0, i = 0; sent < n + 1 && i < 100 && !closed; i++) {
		ssize_t k = send(client, data + sent, n + 1 - sent, MSG_NOSIGNAL);

		sent += k > 0 ? (size_t)k : 0;
		turn();
	}
	assert_true(recv(client, answer, sizeof(answer) - 1, 0) > 0);
	assert_non_null(strstr(answer, "256 KiB"));
	assert_int_equal(closed, 1);
	free(data);
}

/* Requests that are not answered stop the reading; their end starts it again. */
static void test_many_requests(void **state)
{
	for (int i = 0; i < 16; i++)
		conn_request_begin(conn);
	put("waits\n", 0);
	expect("");
	conn_request_end(conn);
	expect("waits[0] ");
}

static void test_half_closed(void **state)
{
	char answer[64] = "";

	put("last\n", 0);
	conn_request_begin(conn);
	shutdown(client, SHUT_WR);
	expect("last[0] ");
	assert_int_equal(closed, 0);
	conn_send(conn, "answer\n", 7, -1);
	conn_request_end(conn);
	turn();
	assert_int_equal(recv(client, answer, sizeof(answer), 0), 7);
	assert_int_equal(closed, 1);
}

/* What the socket does not take waits, and arrives whole and in order, its fd with its first byte.
 */
static void test_slow_reader(void **state)
{
	enum { SIZE = 200000 };
	char *data = malloc(SIZE), *got = malloc(3 * SIZE);
	size_t n = 0;
	int fds = 0, fd = dup(STDERR_FILENO);

	assert_true(data && got && fd >= 0);
	memset(data, 'a', SIZE);
	data[SIZE - 1] = '\n';
	conn_send(conn, data, SIZE, -1);
	conn_send(conn, data, SIZE, -1);
	memset(data, 'b', SIZE);
	conn_send(conn, data, SIZE, fd);
	/* Lost, since so much waits. */
	conn_send_lossy(conn, "lossy\n", 6);
	while (n < 3 * SIZE) {
		int in[FRAME_FDS];
		size_t len, n_fds;
		struct err err = ERR_INIT;

		assert_int_equal(
			frame_recv(client, got + n, 3 * SIZE - n, &len, in, &n_fds, &err), 0);
		if (n_fds > 0)
			assert_true(n <= 2 * SIZE && n + len > 2 * SIZE);
		fds += (int)n_fds;
		fd_close_many(in, n_fds);
		n += len;
		turn();
	}
	assert_int_equal(fds, 1);
	assert_true(got[0] == 'a' && got[2 * SIZE - 1] == '\n' && got[2 * SIZE] == 'b');
	assert_int_equal(recv(client, got, 1, MSG_DONTWAIT), -1);
	free(data);
	free(got);
}

static void test_never_reads(void **state)
{
	enum { SIZE = 1 << 20 };
	char *data = calloc(1, SIZE);
	int sent = 0;

	assert_non_null(data);
	while (!closed && sent < 64) {
		conn_send(conn, data, SIZE, -1);
		sent++;
		turn();
	}
	assert_true(closed == 1 && sent < 20);
	free(data);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_lines),
		T(test_fds_of_a_line),
		T(test_fds_of_a_later_line),
		T(test_fds_with_the_first_half),
		T(test_fds_with_the_second_half),
		T(test_too_many_fds),
		T(test_long_lines),
		T(test_many_requests),
		T(test_half_closed),
		T(test_slow_reader),
		T(test_never_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
