/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"
#include "common/types.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_ids(void **state)
{
	static const char *const bad[] = { "", "0123456789a", "0123456789abc", "0123456789aB",
		"../../../etc", "0123456789a/" };
	vm_id a, b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(vm_id_parse(bad[i], &a));
	assert_true(vm_id_parse("0123456789ab", &a));
	a = vm_id_random();
	b = vm_id_random();
	assert_true(vm_id_parse(a.s, &a));
	assert_string_not_equal(a.s, b.s);
}

static void test_names(void **state)
{
	static const char *const bad[] = { "", "-a", "a-", "A", "a_b", "a.b", "a b", "123", "ä",
		"a123456789a123456789a123456789a123456789a123456789a123456789abcd" };
	static const char *const good[] = { "a", "web-1", "1a",
		"a123456789a123456789a123456789a123456789a123456789a123456789abc" };
	vm_name n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (vm_name_parse(bad[i], &n))
			fail_msg("name '%s'", bad[i]);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (!vm_name_parse(good[i], &n))
			fail_msg("no name '%s'", good[i]);
}

static void test_refs(void **state)
{
	static const char *const bad[] = { "", ".a", "/a", "a//b", "a/../b", "a b", "a\n", "-a" };
	static const char *const good[] = { "debian", "debian:12", "host.example/a/b:t@x",
		"6.1.0-1" };
	ref_name n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (ref_name_parse(bad[i], &n))
			fail_msg("ref '%s'", bad[i]);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(ref_name_parse(good[i], &n));
}

static void test_digests(void **state)
{
	static const char *const bad[] = { "", "sha256:", "sha256:" HEX64 "0", "sha256:" HEX64 "/",
		"sha512:" HEX64, "md5:" HEX64, "SHA256:" HEX64, HEX64 };
	digest d;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (digest_parse(bad[i], &d))
			fail_msg("digest '%s'", bad[i]);
	assert_true(digest_parse("sha256:" HEX64, &d));
	assert_true(digest_parse("sha512:" HEX64 HEX64, &d));
}

static void test_addresses(void **state)
{
	static const uint8_t multicast[6] = { 1, 0, 0, 0, 0, 1 }, zero[6],
			     fine[6] = { 2, 0, 0, 0, 0, 1 };
	char buf[18];
	ipv4 a;
	mac m;

	(void)state;
	assert_false(mac_parse_bytes(multicast, &m));
	assert_false(mac_parse_bytes(zero, &m));
	assert_true(mac_parse_bytes(fine, &m));
	assert_string_equal(mac_format(m, buf), "02:00:00:00:00:01");
	assert_true(ipv4_parse("10.1.2.3", &a));
	assert_int_equal(a.v, 0x0a010203);
	assert_string_equal(ipv4_format(a, buf), "10.1.2.3");
	assert_false(ipv4_parse("10.1.2", &a));
	assert_false(ipv4_parse("10.1.2.256", &a));
}

static void test_strings(void **state)
{
	char buf[8];
	strv v = { 0 };
	const char *s = NULL;
	text t;

	(void)state;
	assert_true(strv_add(&v, buf, sizeof(buf), "ab"));
	assert_true(strv_add(&v, buf, sizeof(buf), ""));
	assert_true(strv_add(&v, buf, sizeof(buf), "cd"));
	assert_false(strv_add(&v, buf, sizeof(buf), "e"));
	assert_int_equal(v.count, 3);
	s = strv_next(&v, s);
	assert_string_equal(s, "ab");
	s = strv_next(&v, s);
	assert_string_equal(s, "");
	s = strv_next(&v, s);
	assert_string_equal(s, "cd");
	assert_null(strv_next(&v, s));
	assert_false(strv_parse("ab", 2, &v));
	assert_true(strv_parse(NULL, 0, &v) && v.count == 0);
	assert_false(text_parse("two\nlines", &t));
	assert_false(text_parse("escape\x1b[2J", &t));
	assert_true(text_parse("grün", &t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_refs),
		cmocka_unit_test(test_digests),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
