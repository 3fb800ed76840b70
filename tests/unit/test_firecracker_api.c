/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/firecracker_api: what is asked, and what becomes of the answers. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bangerd/firecracker_api.h"
#include "common/json.h"
#include "common/str.h"
#include "tests/common/scripted_peer.h"

static struct firecracker_api *start(
	struct scripted_peer *p, const struct peer_turn *turns, size_t n, unsigned request_ms)
{
	struct firecracker_api *api;
	struct err err = ERR_INIT;
	int fd = scripted_peer_start(p, turns, n);

	assert_int_equal(firecracker_api_open(fd, request_ms, &api, &err), 0);
	return api;
}

static void end(struct firecracker_api *api, struct scripted_peer *p)
{
	firecracker_api_close(api);
	scripted_peer_join(p);
}

/* An API that answers once, and so. */
struct once {
	struct scripted_peer peer;
	struct peer_turn turn;
	char *reply;
	struct firecracker_api *api;
	struct wait w;
};

static void once_begin(struct once *o, unsigned status, const char *body)
{
	o->reply = scripted_reply(status, body);
	o->turn = (struct peer_turn){ .says = o->reply };
	o->api = start(&o->peer, &o->turn, 1, 10000);
	o->w = wait_ms(-1, 10000);
}

static void once_end(struct once *o)
{
	end(o->api, &o->peer);
	free(o->reply);
}

static void version(void **state)
{
	static const struct {
		const char *body;
		enum err_code code;
	} answers[] = {
		{ "{\"firecracker_version\":\"1.16.1\"}", ERR_none },
		{ "{\"firecracker_version\":\"1.16.1\",\"more\":[1,{}]}", ERR_none },
		{ "{\"firecracker_version\":\"sixteen\"}", ERR_protocol },
		{ "{\"firecracker_version\":1.16}", ERR_protocol },
		{ "{\"version\":\"1.16.1\"}", ERR_protocol },
		{ "{}", ERR_protocol },
		{ "[]", ERR_protocol },
		{ "null", ERR_protocol },
		{ "1.16.1", ERR_protocol },
		{ "{\"firecracker_version\":\"1.16.1\"", ERR_protocol },
		{ "{\"firecracker_version\":\"1.16.1\",\"firecracker_version\":\"1.4.0\"}",
			ERR_protocol },
		{ "{\"firecracker_version\":\"1.16.1\"}{}", ERR_protocol },
		{ "{\"firecracker_version\":\"1.16.1\\u0000\xff\"}", ERR_protocol },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct firecracker_version v = { 0 };
		struct err err = ERR_INIT;
		struct once o;
		int r;

		once_begin(&o, 200, answers[i].body);
		r = firecracker_api_version(o.api, &o.w, &v, &err);
		once_end(&o);
		assert_true(str_starts(o.peer.heard, "GET /version HTTP/1.1\r\n"));
		if (err.code != answers[i].code || (r == 0) != (err.code == ERR_none))
			fail_msg("%zu: %s", i, err.msg);
		assert_int_equal(v.minor, r == 0 ? 16 : 0);
	}
}

static void states(void **state)
{
	static const struct {
		const char *body;
		int want; /* -1: none */
	} answers[] = {
		{ "{\"id\":\"x\",\"state\":\"Not started\",\"vmm_version\":\"1.16.1\"}",
			FIRECRACKER_NOT_STARTED },
		{ "{\"state\":\"Running\"}", FIRECRACKER_RUNNING },
		{ "{\"state\":\"Paused\"}", FIRECRACKER_PAUSED },
		{ "{\"state\":\"paused\"}", -1 },
		{ "{\"state\":\"\"}", -1 },
		{ "{\"state\":null}", -1 },
		{ "{}", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		enum firecracker_state s = FIRECRACKER_NOT_STARTED;
		struct err err = ERR_INIT;
		struct once o;
		int r;

		once_begin(&o, 200, answers[i].body);
		r = firecracker_api_state(o.api, &o.w, &s, &err);
		once_end(&o);
		assert_true(str_starts(o.peer.heard, "GET / HTTP/1.1\r\n"));
		assert_int_equal(r, answers[i].want < 0 ? -1 : 0);
		if (r == 0)
			assert_int_equal(s, answers[i].want);
		else
			assert_int_equal(err.code, ERR_protocol);
	}
}

static void config(void **state)
{
	struct json_object *o = NULL, *drives;
	struct err err = ERR_INIT;
	struct once once;

	(void)state;
	once_begin(&once, 200, "{\"drives\":[{\"drive_id\":\"root\"}]}");
	assert_int_equal(firecracker_api_config(once.api, &once.w, &o, &err), 0);
	once_end(&once);
	assert_true(str_starts(once.peer.heard, "GET /vm/config HTTP/1.1\r\n"));
	assert_true(json_object_object_get_ex(o, "drives", &drives));
	assert_int_equal(json_object_array_length(drives), 1);
	json_object_put(o);
}

/* The body of the one request that was heard. */
static const char *heard_body(const struct once *o)
{
	const char *end = strstr(o->peer.heard, "\r\n\r\n");

	assert_non_null(end);
	return end + 4;
}

static void acts(void **state)
{
	static const struct {
		enum firecracker_action action;
		const char *body;
	} actions[] = {
		{ FIRECRACKER_INSTANCE_START, "\"InstanceStart\"" },
		{ FIRECRACKER_FLUSH_METRICS, "\"FlushMetrics\"" },
		{ FIRECRACKER_SEND_CTRL_ALT_DEL, "\"SendCtrlAltDel\"" },
	};
	struct err err = ERR_INIT;
	struct once o;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		once_begin(&o, 204, NULL);
		assert_int_equal(firecracker_api_action(o.api, actions[i].action, &o.w, &err), 0);
		once_end(&o);
		assert_true(str_starts(o.peer.heard, "PUT /actions HTTP/1.1\r\n"));
		assert_non_null(strstr(heard_body(&o), "\"action_type\""));
		assert_non_null(strstr(heard_body(&o), actions[i].body));
	}
	for (int pause = 0; pause < 2; pause++) {
		once_begin(&o, 204, NULL);
		assert_int_equal(firecracker_api_pause(o.api, pause, &o.w, &err), 0);
		once_end(&o);
		assert_true(str_starts(o.peer.heard, "PATCH /vm HTTP/1.1\r\n"));
		assert_non_null(strstr(heard_body(&o), pause ? "\"Paused\"" : "\"Resumed\""));
	}
}

#define A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void refusals(void **state)
{
	static const struct {
		unsigned status;
		const char *body; /* NULL: 204 */
		enum err_code code;
		int sys;
		const char *part;
	} answers[] = {
		{ 400, "{\"fault_message\":\"Invalid Elf magic number\"}", ERR_operation_failed, 0,
			"Firecracker refused to start the guest: Invalid Elf magic number" },
		{ 400, "{ \"error\": \"Request method is unsupported\" }", ERR_operation_failed, 0,
			"refused to start the guest: Request method is unsupported" },
		{ 400, "{\"fault_message\":\"x: Device or resource busy (os error 16)\"}", ERR_busy,
			EBUSY, "(os error 16)" },
		{ 400, "{\"fault_message\":\"No space left on device (os error 28)\"}",
			ERR_no_space, ENOSPC, "No space" },
		{ 400, "{\"fault_message\":\"Cannot allocate memory (os error 12)\"}",
			ERR_unavailable, ENOMEM, "memory" },
		{ 400, "{\"fault_message\":\"x (os error 99999999)\"}", ERR_operation_failed, 0,
			"x" },
		{ 400, "{\"fault_message\":\"x (os error 28\"}", ERR_operation_failed, 0, "x" },
		{ 400, "{\"fault_message\":\"\\u001b[2Jtwo\\nlines\\u0007\"}", ERR_operation_failed,
			0, "guest: ?[2Jtwo?lines?" },
		{ 400, "{\"fault_message\":\"" A50 A50 A50 A50 A50 A50 "b\"}", ERR_operation_failed,
			0, A50 A50 A50 A50 A50 A50 },
		{ 500, "{\"fault_message\":\"inside\"}", ERR_operation_failed, 0, "guest: inside" },
		{ 500, "oops", ERR_protocol, 0, "status 500" },
		{ 400, "{\"fault_message\":5}", ERR_protocol, 0, "cannot be read" },
		{ 400, "{\"fault_message\":", ERR_protocol, 0, "cannot be read" },
		{ 400, "{}", ERR_protocol, 0, "cannot be read" },
		{ 400, "", ERR_protocol, 0, "cannot be read" },
		{ 404, "<html>", ERR_protocol, 0, "status 404" },
		{ 200, "{}", ERR_protocol, 0, "PUT /actions with status 200" },
		{ 302, "{}", ERR_protocol, 0, "with status 302" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct err err = ERR_INIT;
		struct once o;
		int r;

		once_begin(&o, answers[i].status, answers[i].body);
		r = firecracker_api_action(o.api, FIRECRACKER_INSTANCE_START, &o.w, &err);
		once_end(&o);
		if (r != -1 || err.code != answers[i].code || err.sys != answers[i].sys ||
			!strstr(err.msg, answers[i].part))
			fail_msg("%zu: %s (%d): %s", i, err_code_name(err.code), err.sys, err.msg);
		assert_null(strstr(err.msg, "aab"));
	}
}

/* A refusal leaves the connection: the next request is answered. */
static void after_a_refusal(void **state)
{
	char *refusal = scripted_reply(400, "{\"fault_message\":\"no\"}");
	char *taken = scripted_reply(204, NULL);
	const struct peer_turn turns[] = { { .says = refusal }, { .says = taken } };
	struct wait w = wait_ms(-1, 10000);
	struct err err = ERR_INIT;
	struct scripted_peer p;
	struct firecracker_api *api = start(&p, turns, 2, 10000);

	(void)state;
	assert_int_equal(firecracker_api_pause(api, true, &w, &err), -1);
	assert_int_equal(firecracker_api_pause(api, true, &w, &err), 0);
	end(api, &p);
	free(refusal);
	free(taken);
}

static void silent(void **state)
{
	static const struct peer_turn turns[] = { { .says = NULL } };
	static const struct peer_turn goes[] = { { .says = "HTTP/1.1 2", .closes = true } };
	struct err err = ERR_INIT;
	struct wait w = wait_ms(-1, 60000);
	struct scripted_peer p;
	struct firecracker_api *api;

	(void)state;
	/* Its own limit, within the caller's. */
	api = start(&p, turns, 1, 50);
	assert_int_equal(firecracker_api_pause(api, true, &w, &err), -1);
	assert_int_equal(err.code, ERR_timeout);
	assert_string_equal(err.msg, "Firecracker does not answer (PATCH /vm, 50 ms)");
	end(api, &p);
	/* The caller's, within its own. */
	api = start(&p, turns, 1, 60000);
	w = wait_ms(-1, 50);
	assert_int_equal(firecracker_api_pause(api, true, &w, &err), -1);
	assert_int_equal(err.code, ERR_timeout);
	end(api, &p);
	api = start(&p, goes, 1, 60000);
	w = wait_ms(-1, 60000);
	assert_int_equal(firecracker_api_pause(api, true, &w, &err), -1);
	assert_int_equal(err.code, ERR_unavailable);
	assert_non_null(strstr(err.msg, "PATCH /vm: Firecracker closed its connection"));
	end(api, &p);
}

static void no_memory_for_a_body(void **state)
{
	struct err err = ERR_INIT;
	struct once o;

	(void)state;
	once_begin(&o, 204, NULL);
	assert_int_equal(firecracker_api_put(o.api, "/x", "x", NULL, &o.w, &err), -1);
	assert_int_equal(err.code, ERR_operation_failed);
	assert_int_equal(err.sys, ENOMEM);
	once_end(&o);
	assert_string_equal(o.peer.heard, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version),
		cmocka_unit_test(states),
		cmocka_unit_test(config),
		cmocka_unit_test(acts),
		cmocka_unit_test(refusals),
		cmocka_unit_test(after_a_refusal),
		cmocka_unit_test(silent),
		cmocka_unit_test(no_memory_for_a_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
