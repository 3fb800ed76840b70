/* SPDX-License-Identifier: GPL-2.0-or-later */
/* banger-cli/auth_file: whose credentials a registry gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "banger-cli/auth_file.h"
#include "common/str.h"

#define A "YTpzZWNyZXQ6eA==" /* a:secret:x */
#define B "Yjpi"	     /* b:b */

static int find(const char *file, const char *host, const char *path, struct auth_entry *ret)
{
	struct err err = ERR_INIT;

	return auth_file_find(file, strlen(file), host, path, ret, &err);
}

static void test_which_entry(void **state)
{
	static const char file[] = "{\"auths\":{\"r.io\":{\"auth\":\"" A "\"},"
				   "\"r.io/team\":{\"auth\":\"" B "\"},"
				   "\"https://index.docker.io/v1/\":{\"auth\":\"" B "\"},"
				   "\"http://old.io:5000/v2/\":{\"auth\":\"" A "\"},"
				   "\"empty.io\":{}}}";
	static const struct {
		const char *host, *path, *user; /* "": none */
	} rows[] = {
		{ "r.io", "", "a" },
		{ "r.io", "team/x", "b" },
		{ "r.io", "team", "b" },
		{ "r.io", "teams/x", "a" },
		{ "docker.io", "library/debian", "b" },
		{ "old.io:5000", "x", "a" },
		{ "old.io", "x", "" },
		{ "r.i", "", "" },
		{ "r.io.evil", "", "" },
		{ "evil-r.io", "", "" },
		{ "empty.io", "", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct auth_entry e;

		assert_int_equal(
			find(file, rows[i].host, rows[i].path, &e), rows[i].user[0] != '\0');
		assert_string_equal(e.credentials.user, rows[i].user);
		assert_string_equal(e.credentials.secret, str_eq(rows[i].user, "a")   ? "secret:x"
							  : str_eq(rows[i].user, "b") ? "b"
										      : "");
	}
}

static void test_tokens_and_helpers(void **state)
{
	static const char file[] = "{\"auths\":{\"t.io\":{\"auth\":\"" A "\","
				   "\"identitytoken\":\"tok\"}},"
				   "\"credHelpers\":{\"h.io\":\"pass\"},\"credsStore\":\"all\"}";
	struct auth_entry e;

	assert_int_equal(find(file, "t.io", "", &e), 1);
	assert_string_equal(e.credentials.token, "tok");
	assert_string_equal(e.credentials.secret, "");
	assert_int_equal(find(file, "h.io", "x", &e), 1);
	assert_string_equal(e.helper, "pass");
	assert_string_equal(e.key, "h.io");
	assert_int_equal(find(file, "other.io", "", &e), 1);
	assert_string_equal(e.helper, "all");
	assert_int_equal(find(file, "docker.io", "", &e), 1);
	assert_string_equal(e.key, "https://index.docker.io/v1/");
}

static void test_refused(void **state)
{
	static const char *const files[] = {
		"",
		"[]",
		"null",
		"{\"auths\":{\"r.io\":{\"auth\":\"Yjpi=\"}}} x",
		"{\"auths\":{\"r.io\":{\"auth\":\"YWJj\"}}}",	  /* no colon */
		"{\"auths\":{\"r.io\":{\"auth\":\"!!!!\"}}}",	  /* no base64 */
		"{\"auths\":{\"r.io\":{\"auth\":\"Yjpia\"}}}",	  /* cut off */
		"{\"auths\":{\"r.io\":{\"auth\":\"YToAYg==\"}}}", /* a NUL */
		"{\"auths\":{\"r.io\":{\"auth\":\"YQpiOmM=\"}}}", /* a line's end in the name */
		"{\"credHelpers\":{\"r.io\":\"../evil\"}}",
		"{\"credHelpers\":{\"r.io\":\"a b\"}}",
		"{\"credHelpers\":{\"r.io\":7}}",
		"{\"credsStore\":\"/bin/sh\"}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct auth_entry e;

		if (find(files[i], "r.io", "", &e) != -1)
			fail_msg("taken: %s", files[i]);
		assert_string_equal(e.credentials.user, "");
		assert_string_equal(e.credentials.secret, "");
		assert_string_equal(e.helper, "");
	}
}

static void test_helper_answers(void **state)
{
	static const char user[] = "{\"ServerURL\":\"x\",\"Username\":\"u\",\"Secret\":\"s\"}";
	static const char token[] = "{\"Username\":\"<token>\",\"Secret\":\"t\"}";
	static const char *const bad[] = { "", "{}", "{\"Username\":\"u\"}",
		"{\"Username\":7,\"Secret\":\"s\"}", "{\"Username\":\"u\\n\",\"Secret\":\"s\"}" };
	struct credentials c = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(auth_helper_answer(user, strlen(user), &c, &err), 0);
	assert_string_equal(c.user, "u");
	assert_string_equal(c.secret, "s");
	assert_int_equal(auth_helper_answer(token, strlen(token), &c, &err), 0);
	assert_string_equal(c.token, "t");
	assert_string_equal(c.user, "");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(auth_helper_answer(bad[i], strlen(bad[i]), &c, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_which_entry),
		cmocka_unit_test(test_tokens_and_helpers),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_helper_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
