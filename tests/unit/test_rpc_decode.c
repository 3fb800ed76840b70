/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/rpc_decode: each method of the table with each parameter right, missing, of every wrong
 * type and beyond its bounds; and what is around them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bangerd/rpc_decode.h"
#include "common/fd.h"
#include "common/str.h"

#define LINE_MAX_TEST 400000

struct values {
	const char *right;
	const char *wrong[16];
};

#define NO_TEXT "1", "true", "null", "{}", "[]", "\"\"", "\"a\\nb\"", "\"a\\u0000b\"", "\"\\u007f\""
#define NO_INT	"\"1\"", "true", "null", "{}", "[1]", "-1", "1.0", "1e3", "1e400"

/* JSON texts of values, by type. */
static const struct values values[RPC__type_count] = {
	[RPC_string] = { "\"x y\"", { NO_TEXT } },
	[RPC_vm_ref] = { "\"web\"", { NO_TEXT, "\"A\"", "\"a.b\"", "\"-a\"", "\"../a\"" } },
	[RPC_vm_name] = { "\"web-1\"", { NO_TEXT, "\"A\"", "\"-a\"", "\"a-\"", "\"1\"" } },
	[RPC_object_ref] = { "\"debian:12\"", { NO_TEXT, "\"a b\"", "\"/a\"", "\"a*\"" } },
	[RPC_ref_name] = { "\"debian:12\"",
		{ NO_TEXT, "\"/a\"", "\"a..b\"", "\"a//b\"", "\"a b\"" } },
	[RPC_operation] = { "\"0123456789abcdef\"",
		{ NO_TEXT, "\"0123456789abcde\"", "\"0123456789abcdef0\"",
			"\"0123456789ABCDEF\"" } },
	[RPC_boolean] = { "true", { "0", "1", "\"true\"", "null", "{}", "[]" } },
	[RPC_vcpus] = { "32", { NO_INT, "0", "33", "257", "4294967297", "18446744073709551617" } },
	[RPC_mib] = { "64", { NO_INT, "63", "1048577", "4294967360", "18446744073709551680" } },
	[RPC_size] = { "70368744177664",
		{ NO_INT, "0", "70368744177665", "18446744073709551617" } },
	[RPC_count] = { "1000000", { NO_INT, "1000001", "4294967296" } },
	[RPC_seconds] = { "0", { NO_INT, "1000001", "4294967296" } },
	[RPC_signo] = { "64", { NO_INT, "0", "65", "256", "265" } },
	[RPC_argv] = { "[\"sh\",\"\"]", { "\"sh\"", "1", "{}", "null", "[1]", "[null]", "[[]]",
						"[\"\"]", "[\"a\\u0000\"]" } },
	[RPC_env] = { "[\"A=\",\"B=c=d\"]", { "\"A=b\"", "1", "{}", "null", "[1]", "[\"A\"]",
						    "[\"=b\"]", "[\"\"]", "[\"A=\\u0000\"]" } },
	[RPC_accel] = { "\"tcg\"", { NO_TEXT, "\"TCG\"", "\"xen\"" } },
	[RPC_vmm_kind] = { "\"qemu\"", { NO_TEXT, "\"QEMU\"", "\"xen\"" } },
	[RPC_guest_mode] = { "\"idle\"", { NO_TEXT, "\"Idle\"", "\"none\"" } },
	[RPC_image_kind] = { "\"rootfs\"", { NO_TEXT, "\"tar\"", "\"oci-layout\"" } },
};

static bool is_fd(const struct rpc_param *p)
{
	return p->type == RPC_fd || p->type == RPC_fd_opt;
}

/* The params object with each parameter's right value, but for number `odd`, which has `value`, or
 * is left out when that is NULL. */
static char *params_text(const struct rpc_method_info *m, size_t odd, const char *value)
{
	const struct rpc_param *params;
	size_t n = m->params(&params), at;
	char *json = malloc(LINE_MAX_TEST);
	const char *comma = "";

	assert_non_null(json);
	at = (size_t)sprintf(
		json, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":{", m->name);
	for (size_t i = 0; i < n; i++) {
		const char *v = i == odd ? value : values[params[i].type].right;

		if (is_fd(&params[i]) || !v)
			continue;
		at += (size_t)sprintf(json + at, "%s\"%s\":%s", comma, params[i].name, v);
		comma = ",";
	}
	strcpy(json + at, "}}");
	return json;
}

static size_t required_fds(const struct rpc_method_info *m)
{
	const struct rpc_param *params;
	size_t n = m->params(&params), count = 0;

	for (size_t i = 0; i < n; i++)
		count += is_fd(&params[i]) && params[i].need == RPC_NEED_required;
	return count;
}

/* Decode a line with n_fds fds: what became of it. */
static enum err_code decode(const char *line, size_t n_fds, struct err *err)
{
	struct rpc_envelope e;
	const struct rpc_method_info *m;
	int fds[RPC_FDS_MAX + 1];
	void *in = NULL;
	enum err_code code = ERR_none;

	*err = (struct err)ERR_INIT;
	for (size_t i = 0; i < n_fds; i++)
		assert_true((fds[i] = dup(STDERR_FILENO)) >= 0);
	if (rpc_envelope_parse(line, strlen(line), &e, err) < 0) {
		code = err->code;
	} else if (!(m = rpc_method_find(e.method))) {
		code = ERR_unknown_method;
	} else if (rpc_params_decode(m, &e, fds, n_fds, &in, err) < 0) {
		code = err->code;
		assert_null(in);
	} else {
		rpc_params_free(m, in);
	}
	rpc_envelope_finish(&e);
	fd_close_many(fds, n_fds);
	return code;
}

static int lowest_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

/* One parameter of one method with a value: the code, and the message names the parameter. */
static void expect_bad(const struct rpc_method_info *m, size_t i, const char *value)
{
	const struct rpc_param *params;
	_cleanup_free_ char *line = params_text(m, i, value);
	struct err err;
	enum err_code code;

	m->params(&params);
	code = decode(line, required_fds(m), &err);
	if (code != ERR_bad_request || !strstr(err.msg, params[i].name))
		fail_msg("%s: %s: %s", line, err_code_name(code), err.msg);
}

static void test_right(void **state)
{
	struct err err;

	for (size_t k = 0; k < RPC_METHOD__count; k++) {
		_cleanup_free_ char *line = params_text(&rpc_methods[k], SIZE_MAX, NULL);
		enum err_code code = decode(line, required_fds(&rpc_methods[k]), &err);

		if (code != ERR_none)
			fail_msg("%s: %s", line, err.msg);
	}
}

static void test_wrong(void **state)
{
	int before = lowest_fd();
	size_t tried = 0;

	for (size_t k = 0; k < RPC_METHOD__count; k++) {
		const struct rpc_param *params;
		size_t n = rpc_methods[k].params(&params);

		for (size_t i = 0; i < n; i++)
			for (size_t v = 0; !is_fd(&params[i]) && v < 16; v++) {
				if (!values[params[i].type].wrong[v])
					break;
				expect_bad(&rpc_methods[k], i, values[params[i].type].wrong[v]);
				tried++;
			}
	}
	print_message("%zu wrong values tried\n", tried);
	assert_true(tried > 300);
	assert_int_equal(lowest_fd(), before);
}

static void test_missing(void **state)
{
	for (size_t k = 0; k < RPC_METHOD__count; k++) {
		const struct rpc_param *params;
		size_t n = rpc_methods[k].params(&params);

		for (size_t i = 0; i < n; i++)
			if (!is_fd(&params[i]) && params[i].need == RPC_NEED_required)
				expect_bad(&rpc_methods[k], i, NULL);
	}
}

static void test_unknown(void **state)
{
	struct err err;

	for (size_t k = 0; k < RPC_METHOD__count; k++) {
		char line[256];

		snprintf(line, sizeof(line),
			"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":{\"nonesuch\":"
			"1}}",
			rpc_methods[k].name);
		assert_int_equal(
			decode(line, required_fds(&rpc_methods[k]), &err), ERR_bad_request);
	}
}

static void test_fds(void **state)
{
	int before = lowest_fd();
	struct err err;

	for (size_t k = 0; k < RPC_METHOD__count; k++) {
		const struct rpc_method_info *m = &rpc_methods[k];
		_cleanup_free_ char *line = params_text(m, SIZE_MAX, NULL);
		const struct rpc_param *params;
		size_t n = m->params(&params), most = 0, least = required_fds(m);

		for (size_t i = 0; i < n; i++)
			most += is_fd(&params[i]);
		for (size_t fds = 0; fds <= RPC_FDS_MAX; fds++)
			assert_int_equal(decode(line, fds, &err),
				fds < least || fds > most ? ERR_bad_request : ERR_none);
	}
	assert_int_equal(lowest_fd(), before);
}

/* A string of n times c, as JSON. */
static char *long_string(size_t n, char c, const char *head, const char *tail)
{
	char *s = malloc(n + strlen(head) + strlen(tail) + 1);

	assert_non_null(s);
	strcpy(s, head);
	memset(s + strlen(head), c, n);
	strcpy(s + strlen(head) + n, tail);
	return s;
}

static void test_too_long(void **state)
{
	static const size_t limits[RPC__type_count] = { [RPC_string] = TEXT_MAX,
		[RPC_vm_ref] = VM_NAME_MAX,
		[RPC_vm_name] = VM_NAME_MAX,
		[RPC_object_ref] = 255,
		[RPC_ref_name] = REF_NAME_MAX,
		[RPC_operation] = 16 };

	for (size_t k = 0; k < RPC_METHOD__count; k++) {
		const struct rpc_param *params;
		size_t n = rpc_methods[k].params(&params);

		for (size_t i = 0; i < n; i++) {
			size_t limit = limits[params[i].type];
			_cleanup_free_ char *good = long_string(limit, 'a', "\"", "\"");
			_cleanup_free_ char *bad = long_string(limit + 1, 'a', "\"", "\"");
			_cleanup_free_ char *list = long_string(65535, 'a', "[\"B=", "\"]");
			_cleanup_free_ char *line = params_text(&rpc_methods[k], i, good);
			struct err err;

			if (limit > 0) {
				assert_int_equal(decode(line, required_fds(&rpc_methods[k]), &err),
					ERR_none);
				expect_bad(&rpc_methods[k], i, bad);
			} else if (params[i].type == RPC_argv || params[i].type == RPC_env) {
				expect_bad(&rpc_methods[k], i, list);
			}
		}
	}
}

static void test_values_arrive(void **state)
{
	static const char line[] =
		"{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"vm.create.begin\",\"progress\":"
		"true,"
		"\"params\":{\"image\":\"debian\",\"vcpus\":3,\"memory_mib\":512,\"disk_size\":"
		"8589934592,\"nat\":true,\"accel\":\"kvm\",\"vmm\":\"qemu\",\"mode\":\"command\","
		"\"argv\":[\"sh\","
		"\"-c\",\"\"],\"env\":[\"A=b\"],\"user\":\"me\"}}";
	const struct rpc_method_info *m = rpc_method_find("vm.create.begin");
	struct rpc_envelope e;
	struct err err = ERR_INIT;
	struct rpc_vm_create_begin_in *in;
	void *p;

	assert_int_equal(rpc_envelope_parse(line, sizeof(line) - 1, &e, &err), 0);
	assert_string_equal(e.id, "\"x\"");
	assert_true(e.progress);
	assert_int_equal(rpc_params_decode(m, &e, NULL, 0, &p, &err), 0);
	in = p;
	assert_string_equal(in->image, "debian");
	assert_null(in->name);
	assert_null(in->kernel);
	assert_int_equal(in->vcpus, 3);
	assert_int_equal(in->memory_mib, 512);
	assert_int_equal(in->disk_size, 8589934592);
	assert_true(in->nat);
	assert_false(in->no_start);
	assert_int_equal(in->accel, accel_kvm);
	assert_int_equal(in->vmm, vmm_kind_qemu);
	assert_int_equal(in->mode, guest_mode_command);
	assert_int_equal(in->argv.count, 3);
	assert_int_equal(in->argv.n, 7);
	assert_memory_equal(in->argv.p, "sh\0-c\0\0", 7);
	assert_int_equal(in->env.count, 1);
	assert_string_equal(in->user, "me");
	rpc_params_free(m, p);
	rpc_envelope_finish(&e);
}

/* The id that an error goes back with. */
static void test_envelopes(void **state)
{
	static const struct {
		const char *line;
		enum err_code code;
		const char *id;
	} rows[] = {
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}", ERR_none, "1" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\",\"v\":1}", ERR_none,
			"null" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":-9007199254740992,\"method\":\"ping\"}", ERR_none,
			"-9007199254740992" },
		{ "{\"id\":7,\"v\":2,\"method\":\"new.one\",\"more\":1}", ERR_bad_version, "7" },
		{ "{\"id\":7,\"v\":\"1\"}", ERR_bad_version, "7" },
		{ "{\"v\":null,\"id\":7}", ERR_bad_version, "7" },
		{ "{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}", ERR_bad_request, "null" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":9007199254740993,\"method\":\"ping\"}",
			ERR_bad_request, "null" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}", ERR_bad_request, "null" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"ping\"}", ERR_bad_request,
			"null" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1}", ERR_bad_request, "1" },
		{ "{\"id\":1,\"method\":\"ping\"}", ERR_bad_request, "1" },
		{ "{\"jsonrpc\":\"2.1\",\"id\":1,\"method\":\"ping\"}", ERR_bad_request, "1" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}", ERR_bad_request, "1" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"fds\":17}", ERR_bad_request,
			"1" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":[]}",
			ERR_bad_request, "1" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"id\":2}", ERR_parse_error,
			"null" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"i\\u0064\":2}",
			ERR_parse_error, "null" },
		{ "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]", ERR_bad_request, "null" },
		{ "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", ERR_parse_error, "null" },
		{ "", ERR_parse_error, "null" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rpc_envelope e;
		struct err err = ERR_INIT;

		(void)rpc_envelope_parse(rows[i].line, strlen(rows[i].line), &e, &err);
		if (err.code != rows[i].code || !str_eq(e.id, rows[i].id))
			fail_msg("%s: %s, id %s: %s", rows[i].line, err_code_name(err.code), e.id,
				err.msg);
		rpc_envelope_finish(&e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_fds),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_values_arrive),
		cmocka_unit_test(test_envelopes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
