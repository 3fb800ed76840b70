/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/err.h"
#include "common/fd.h"
#include "common/str.h"

static void test_numbers(void **state)
{
	static const char *const bad[] = { "", "-1", "+1", " 1", "1 ", "01", "0x1", "1.0", "one",
		"18446744073709551616", "99999999999999999999999" };
	uint64_t v = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (str_to_u64(bad[i], 0, UINT64_MAX, &v))
			fail_msg("taken for a number: '%s'", bad[i]);
	assert_int_equal(v, 7);
	assert_true(str_to_u64("0", 0, 5, &v) && v == 0);
	assert_true(str_to_u64("18446744073709551615", 0, UINT64_MAX, &v) && v == UINT64_MAX);
	assert_false(str_to_u64("6", 0, 5, &v));
	assert_false(str_to_u64("1", 2, 5, &v));
}

static void test_sizes(void **state)
{
	static const struct {
		const char *s;
		uint64_t v; /* 0: refused */
	} rows[] = {
		{ "1", 1 },
		{ "512M", 512ULL << 20 },
		{ "8g", 8ULL << 30 },
		{ "2GiB", 2ULL << 30 },
		{ "3KB", 3072 },
		{ "1T", 1ULL << 40 },
		{ "4B", 4 },
		{ "0", 0 },
		{ "0G", 0 },
		{ "-1G", 0 },
		{ "1.5G", 0 },
		{ "1X", 0 },
		{ "1GG", 0 },
		{ "G", 0 },
		{ "", 0 },
		{ "1iB", 0 },
		{ "16777216T", 0 },
		{ "18446744073709551615K", 0 },
		{ "1G ", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t v = 0;
		bool ok = str_to_size(rows[i].s, &v);

		if (ok != (rows[i].v != 0) || v != rows[i].v)
			fail_msg("size '%s': %d, %llu", rows[i].s, ok, (unsigned long long)v);
	}
}

static void test_bounded(void **state)
{
	char b[4];

	(void)state;
	assert_true(str_copy(b, sizeof(b), "abc"));
	assert_false(str_copy(b, sizeof(b), "abcd"));
	assert_string_equal(b, "");
	assert_true(str_format(b, sizeof(b), "%d", 123));
	assert_false(str_format(b, sizeof(b), "%d", 1234));
	assert_string_equal(b, "");
}

static void test_errors(void **state)
{
	struct err err = ERR_INIT;
	char lengthy[2 * ERR_MSG_MAX];

	(void)state;
	assert_int_equal(err_set(&err, ERR_not_found, "vm '%s'", "x"), -1);
	err_wrap(&err, "start");
	assert_string_equal(err.msg, "start: vm 'x'");
	memset(lengthy, 'a', sizeof(lengthy) - 1);
	lengthy[sizeof(lengthy) - 1] = '\0';
	err_wrap(&err, "%s", lengthy);
	assert_int_equal(strlen(err.msg), ERR_MSG_MAX - 1);
	for (unsigned i = 0; i < ERR__count; i++)
		assert_int_equal(err_code_from_name(err_code_name(i)), i);
	assert_int_equal(err_code_from_name("nonsense"), ERR__count);
}

/* The argument is evaluated once: fds[next++] is taken, not its neighbour. */
static void test_take(void **state)
{
	int fds[3] = { 7, 8, 9 };
	char a[] = "a", b[] = "b", *p[2] = { a, b };
	size_t next = 0;

	(void)state;
	assert_int_equal(TAKE_FD(fds[next++]), 7);
	assert_int_equal(next, 1);
	assert_int_equal(fds[0], -1);
	assert_int_equal(fds[1], 8);
	next = 0;
	assert_ptr_equal(TAKE_PTR(p[next++]), a);
	assert_int_equal(next, 1);
	assert_null(p[0]);
	assert_ptr_equal(p[1], b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
