/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/json.h"
#include "common/str.h"

static const char *const refused[] = {
	"",
	"{",
	"}",
	"{\"a\":1,}",
	"[1,]",
	"nul",
	"{\"a\":1}{",
	"{\"a\":1} x",
	"{'a':1}",
	/* RFC 8259, section 4: names within an object should be unique */
	"{\"a\":1,\"a\":2}",
	"[{\"b\":{\"c\":1,\"d\":2,\"c\":3}}]",
	/* the same name by an escape */
	"{\"a\":1,\"\\u0061\":2}",
	/* too deep for the limit of 4 */
	"[[[[[1]]]]]",
	"{\"a\":\"\xff\"}",
	"NaN",
	"Infinity",
	"\"tab\there\x01\"",
	"[1] /* c */",
};

static const char *const accepted[] = {
	"{}",
	"[]",
	"null",
	"1",
	"-1.5e3",
	"true",
	"\"a:b\"",
	"{\"a\":1,\"b\":{\"a\":2}}",
	"{\"x:y\":\"\\\":\\\"\"}",
	" {\"a\" : [1, 2, {\"b\":null}]} \n",
	"{\"\\\\\":\":\"}",
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct json_object *o = (void *)1;
		struct err err = ERR_INIT;

		if (json_parse(refused[i], strlen(refused[i]), 4, &o, &err) != -1)
			fail_msg("accepted: %s", refused[i]);
		assert_int_equal(err.code, ERR_parse_error);
		assert_ptr_equal(o, (void *)1);
	}
}

static void test_accepted(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(accepted); i++) {
		_cleanup_json_ struct json_object *o = NULL;
		struct err err = ERR_INIT;

		if (json_parse(accepted[i], strlen(accepted[i]), 4, &o, &err) != 0)
			fail_msg("refused: %s: %s", accepted[i], err.msg);
	}
}

static void test_members(void **state)
{
	static const char s[] = "{\"z\":\"a\\u0000b\",\"n\":7,\"neg\":-7,\"f\":1.5,"
				"\"big\":18446744073709551615,\"b\":true}";
	_cleanup_json_ struct json_object *o = NULL;
	struct err err = ERR_INIT;
	uint64_t n = 1;
	bool b = false;

	(void)state;
	assert_int_equal(json_parse(s, strlen(s), 4, &o, &err), 0);
	assert_null(json_text(json_object_object_get(o, "z"), 100));
	assert_null(json_text(json_object_object_get(o, "n"), 100));
	assert_true(json_get_u64(o, "n", 0, 7, &n));
	assert_int_equal(n, 7);
	assert_false(json_get_u64(o, "n", 0, 6, &n));
	assert_false(json_get_u64(o, "neg", 0, UINT64_MAX, &n));
	assert_false(json_get_u64(o, "f", 0, 9, &n));
	assert_true(json_get_u64(o, "big", 0, UINT64_MAX, &n));
	assert_true(n == UINT64_MAX);
	assert_false(json_get_u64(o, "none", 0, 9, &n));
	assert_true(json_get_bool(o, "b", &b) && b);
	assert_false(json_get_bool(o, "n", &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
