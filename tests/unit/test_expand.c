/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "banger-imaged/expand.h"
#include "common/str.h"
#include "tests/common/kernel_fixture.h"

static struct blob text_blob(size_t n)
{
	struct blob b = { malloc(n), n };

	assert_non_null(b.p);
	for (size_t i = 0; i < n; i++)
		b.p[i] = (uint8_t)("abcdefgh"[i % 8] + i / 1000 % 7);
	return b;
}

static void test_every_filter(void **state)
{
	static const char *const filters[] = { "gzip", "bzip2", "lzma", "xz", "lz4", "zstd" };
	struct blob b = text_blob(300000);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		struct blob c = fixture_compress(&b, filters[i]);
		struct err err = ERR_INIT;
		uint8_t *p;
		size_t n;

		if (expand_memory(c.p, c.n, b.n, "it", &p, &n, &err) < 0)
			fail_msg("%s: %s", filters[i], err.msg);
		assert_int_equal(n, b.n);
		assert_memory_equal(p, b.p, b.n);
		free(p);
		free(c.p);
	}
	free(b.p);
}

static void test_bomb(void **state)
{
	struct blob b = { calloc(1, 8 << 20), 8 << 20 };
	struct blob c = fixture_compress(&b, "gzip");
	struct err err = ERR_INIT;
	uint8_t *p;
	size_t n;

	(void)state;
	assert_true(c.n < 20000);
	assert_int_equal(expand_memory(c.p, c.n, b.n, "it", &p, &n, &err), 0);
	free(p);
	assert_int_equal(expand_memory(c.p, c.n, b.n - 1, "it", &p, &n, &err), -1);
	assert_int_equal(err.code, ERR_bad_input);
	assert_non_null(strstr(err.msg, "limit"));
	free(b.p);
	free(c.p);
}

/* Wherever a stream is cut, it is an error, not a shorter result. */
static void test_truncated(void **state)
{
	static const char *const filters[] = { "gzip", "xz", "zstd" };
	struct blob b = text_blob(50000);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		struct blob c = fixture_compress(&b, filters[i]);

		for (size_t n = 1; n < c.n; n += c.n / 40 + 1) {
			struct err err = ERR_INIT;
			uint8_t *p;
			size_t len;

			if (expand_memory(c.p, n, b.n, "it", &p, &len, &err) == 0)
				fail_msg("%s cut at %zu of %zu passed", filters[i], n, c.n);
			assert_int_equal(err.code, ERR_bad_input);
		}
		free(c.p);
	}
	free(b.p);
}

static void test_not_compressed(void **state)
{
	struct err err = ERR_INIT;
	uint8_t *p;
	size_t n;

	(void)state;
	assert_int_equal(expand_memory("plain text here", 15, 100, "it", &p, &n, &err), -1);
	assert_int_equal(err.code, ERR_bad_input);
	err = (struct err)ERR_INIT;
	assert_int_equal(expand_memory("", 0, 100, "it", &p, &n, &err), -1);
	assert_int_equal(err.code, ERR_bad_input);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_filter),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_not_compressed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
