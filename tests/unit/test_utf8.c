/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/utf8: the sequences of RFC 3629, and those that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bangerd/utf8.h"
#include "common/str.h"

static const struct {
	const char *s, *repaired;
} rows[] = {
	{ "", "" },
	{ "plain", "plain" },
	{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
	{ "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf" },
	{ "a\xff", "a\xef\xbf\xbd" },
	{ "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" }, /* not the shortest */
	{ "\xe0\x80\xaf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
	{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* a surrogate */
	{ "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
	{ "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd" }, /* cut off */
	{ "\x80x", "\xef\xbf\xbdx" },
};

static void test_rows(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *fixed = utf8_repair(rows[i].s, strlen(rows[i].s));

		assert_non_null(fixed);
		assert_string_equal(fixed, rows[i].repaired);
		assert_int_equal(utf8_valid(rows[i].s, strlen(rows[i].s)),
			str_eq(rows[i].s, rows[i].repaired));
		assert_true(utf8_valid(fixed, strlen(fixed)));
		free(fixed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
