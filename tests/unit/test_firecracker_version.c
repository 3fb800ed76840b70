/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bangerd/firecracker_version.h"
#include "common/str.h"

static void good(void **state)
{
	static const struct {
		const char *text;
		struct firecracker_version v;
	} goods[] = {
		{ "1.16.1", { 1, 16, 1 } },
		{ "0.25.2", { 0, 25, 2 } },
		{ "1.17.0-dev", { 1, 17, 0 } },
		{ "10.0.9999", { 10, 0, 9999 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(goods); i++) {
		struct firecracker_version v;

		assert_true(firecracker_version_parse(goods[i].text, &v));
		assert_int_equal(v.major, goods[i].v.major);
		assert_int_equal(v.minor, goods[i].v.minor);
		assert_int_equal(v.patch, goods[i].v.patch);
	}
}

static void bad(void **state)
{
	static const char *const bads[] = { "", "1", "1.16", "1.16.", ".16.1", "1..1", "1.16.1.2",
		"v1.16.1", "1.16.1x", " 1.16.1", "1.016.1", "1.16.10000", "1.99999999999.1", "-dev",
		"1.16.-dev", "1-2.3.4", "+1.2.3", "1.16.1\n" };
	struct firecracker_version v = { 7, 7, 7 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bads); i++)
		if (firecracker_version_parse(bads[i], &v))
			fail_msg("'%s' was taken", bads[i]);
	assert_int_equal(v.major, 7);
}

static void least(void **state)
{
	const struct firecracker_version v = { 1, 16, 1 };

	(void)state;
	assert_true(firecracker_version_least(&v, 1, 16));
	assert_true(firecracker_version_least(&v, 1, 5));
	assert_true(firecracker_version_least(&v, 0, 25));
	assert_false(firecracker_version_least(&v, 1, 17));
	assert_false(firecracker_version_least(&v, 2, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(bad),
		cmocka_unit_test(least),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
