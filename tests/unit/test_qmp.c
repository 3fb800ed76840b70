/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/qmp: a monitor that is in a guest's hands. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "bangerd/qmp.h"
#include "common/fd.h"
#include "common/json.h"
#include "common/str.h"

#define GREETING                                                                            \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}}, " \
	"\"capabilities\": [\"oob\"]}}\r\n"
#define OK(id) "{\"return\": {}, \"id\": " #id "}\r\n"
#define EVENT  "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"RESUME\"}\r\n"

/* What the other end says is written before the client asks: it answers by ids that it knows. */
struct talk {
	const char *says;
	bool stays; /* open, saying nothing more */
	enum err_code code;
	const char *part; /* of the message */
};

static int open_on(int sv[2], const char *says, bool stays, struct qmp **ret, struct err *err)
{
	struct wait w = wait_ms(-1, stays ? 100 : 2000);

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(fd_write_full(sv[1], says, strlen(says)), 0);
	if (!stays)
		assert_int_equal(shutdown(sv[1], SHUT_WR), 0);
	return qmp_open(TAKE_FD(sv[0]), &w, ret, err);
}

static void good(void **state)
{
	static const char says[] = GREETING EVENT OK(1) EVENT EVENT
		"{\"return\": {\"status\": \"running\"}, \"id\": 2}\n";
	struct wait w = wait_ms(-1, 2000);
	_cleanup_json_ struct json_object *result = NULL;
	char sent[256] = "";
	const char *status;
	struct err err = ERR_INIT;
	struct qmp *q;
	int sv[2];

	(void)state;
	assert_int_equal(open_on(sv, says, false, &q, &err), 0);
	assert_int_equal(qmp_command(q, "query-status", &w, &result, &err), 0);
	status = json_text(json_object_object_get(result, "status"), 100);
	assert_non_null(status);
	assert_string_equal(status, "running");
	assert_true(read(sv[1], sent, sizeof(sent) - 1) > 0);
	assert_string_equal(sent, "{\"execute\":\"qmp_capabilities\",\"id\":1}\n"
				  "{\"execute\":\"query-status\",\"id\":2}\n");
	qmp_close(q);
	close(sv[1]);
}

static void refused_commands_leave_the_connection(void **state)
{
	static const char says[] = GREETING OK(1) "{\"error\": {\"class\": \"CommandNotFound\", "
						  "\"desc\": \"no \\u001b[2J such\"}, "
						  "\"id\": 2}\n" OK(3);
	struct wait w = wait_ms(-1, 2000);
	struct err err = ERR_INIT;
	struct qmp *q;
	int sv[2];

	(void)state;
	assert_int_equal(open_on(sv, says, false, &q, &err), 0);
	assert_int_equal(qmp_command(q, "bogus", &w, NULL, &err), -1);
	assert_int_equal(err.code, ERR_operation_failed);
	assert_non_null(strstr(err.msg, "QEMU refused 'bogus': no ?[2J such"));
	assert_int_equal(qmp_command(q, "cont", &w, NULL, &err), 0);
	assert_int_equal(qmp_command(q, "quit", &w, NULL, &err), -1);
	assert_int_equal(err.code, ERR_unavailable);
	assert_int_equal(qmp_command(q, "quit", &w, NULL, &err), -1);
	assert_non_null(strstr(err.msg, "broken"));
	qmp_close(q);
	close(sv[1]);
}

static void hostile(void **state)
{
	static const struct talk talks[] = {
		{ "", false, ERR_unavailable, "ended" },
		{ "", true, ERR_timeout, "QEMU" },
		{ "{\"QMP\": {", true, ERR_timeout, "QEMU" },
		{ "{\"QMP\": {", false, ERR_unavailable, "ended" },
		{ "hello\n", true, ERR_protocol, "JSON" },
		{ "\n", true, ERR_protocol, "JSON" },
		{ "[]\n", true, ERR_protocol, "object" },
		{ "1\n", true, ERR_protocol, "object" },
		{ "null\n", true, ERR_protocol, "object" },
		{ "{}\n", true, ERR_protocol, "no QMP message" },
		{ "{\"QMP\": 1}\n", true, ERR_protocol, "no QMP message" },
		{ "{\"QMP\": {}, \"return\": {}}\n", true, ERR_protocol, "no QMP message" },
		{ "{\"event\": 5}\n", true, ERR_protocol, "no QMP message" },
		{ "{\"QMP\": {}, \"QMP\": {}}\n", true, ERR_protocol, "twice" },
		{ "{\"QMP\": {}} {}\n", true, ERR_protocol, "JSON" },
		{ OK(1), true, ERR_protocol, "greet" },
		{ GREETING GREETING, true, ERR_protocol, "another question" },
		{ GREETING OK(7), true, ERR_protocol, "another question" },
		{ GREETING "{\"return\": {}}\n", true, ERR_protocol, "another question" },
		{ GREETING "{\"return\": {}, \"id\": \"1\"}\n", true, ERR_protocol, "question" },
		{ GREETING "{\"error\": \"no\", \"id\": 1}\n", true, ERR_protocol, "no QMP" },
		{ GREETING "{\"error\": {}, \"id\": 1}\n", true, ERR_operation_failed, "reason" },
		{ GREETING "{\"return\": {}, \"id\": 1", true, ERR_timeout, "QEMU" },
		{ GREETING "{\"return\":" /* depth */
			   "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
			   ", \"id\": 1}\n",
			true, ERR_protocol, "JSON" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(talks); i++) {
		struct err err = ERR_INIT;
		struct qmp *q = NULL;
		int sv[2];

		assert_int_equal(open_on(sv, talks[i].says, talks[i].stays, &q, &err), -1);
		if (err.code != talks[i].code || !strstr(err.msg, talks[i].part))
			fail_msg("%zu: %s: %s", i, err_code_name(err.code), err.msg);
		close(sv[1]);
	}
}

/* Write the same text for ever, until the reader goes. */
struct flood {
	int fd;
	const char *text;
};

static void *flood(void *arg)
{
	struct flood *f = arg;

	while (send(f->fd, f->text, strlen(f->text), MSG_NOSIGNAL) > 0)
		;
	return NULL;
}

static void flooded(const char *first, const char *text, const char *part)
{
	struct wait w = wait_ms(-1, 10000);
	struct err err = ERR_INIT;
	struct flood f = { .text = text };
	struct qmp *q;
	pthread_t t;
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(fd_set_nonblock(sv[0], true), 0);
	assert_int_equal(fd_write_full(sv[1], first, strlen(first)), 0);
	f.fd = sv[1];
	assert_int_equal(pthread_create(&t, NULL, flood, &f), 0);
	assert_int_equal(qmp_open(sv[0], &w, &q, &err), -1);
	pthread_join(t, NULL);
	assert_int_equal(err.code, ERR_protocol);
	assert_non_null(strstr(err.msg, part));
	close(sv[1]);
}

static void floods(void **state)
{
	(void)state;
	flooded("", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "too long a line");
	flooded(GREETING, EVENT, "events without end");
}

static void cancelled(void **state)
{
	struct err err = ERR_INIT;
	struct wait w;
	struct qmp *q;
	int sv[2], p[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	w = wait_ms(p[0], 10000);
	assert_int_equal(qmp_open(sv[0], &w, &q, &err), -1);
	assert_int_equal(err.code, ERR_cancelled);
	close(sv[1]);
	fd_close_many(p, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(refused_commands_leave_the_connection),
		cmocka_unit_test(hostile),
		cmocka_unit_test(floods),
		cmocka_unit_test(cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
