/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers, times and records of tar headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "banger-imaged/tar_acl.h"
#include "banger-imaged/tar_header.h"
#include "banger-imaged/tar_pax.h"
#include "common/str.h"

static const struct image_limits limits = IMAGE_LIMITS_DEFAULT;

static void numbers(void **state)
{
	static const struct {
		const char *field;
		size_t n;
		bool ok;
		int64_t value;
	} rows[] = {
		{ "0000644", 8, true, 0644 },
		{ "    644 ", 8, true, 0644 },
		{ "", 8, true, 0 },
		{ "77777777777", 12, true, 077777777777 },
		{ "8", 8, false, 0 },
		{ "12x", 8, false, 0 },
		{ "-1", 8, false, 0 },
		{ "\x80\0\0\0\0\0\0\0\0\0\1\0", 12, true, 256 },
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", 12, true, -2 },
		{ "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12, true, INT64_MAX },
		{ "\x80\0\0\0\x80\0\0\0\0\0\0\0", 12, false, 0 },
		{ "\x80\0\0\1\0\0\0\0\0\0\0\0", 12, false, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t field[12] = { 0 };
		int64_t v = 0;

		memcpy(field, rows[i].field,
			rows[i].field[0] & 0x80 ? rows[i].n : strlen(rows[i].field));
		assert_int_equal(tar_number(field, rows[i].n, &v), rows[i].ok);
		if (rows[i].ok)
			assert_int_equal(v, rows[i].value);
	}
}

static void times(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		int64_t s;
		uint32_t ns;
	} rows[] = {
		{ "0", true, 0, 0 },
		{ "1.5", true, 1, 500000000 },
		{ "-1.5", true, -2, 500000000 },
		{ "-0.25", true, -1, 750000000 },
		{ "-1", true, -1, 0 },
		{ "-1.0", true, -1, 0 },
		{ "1.1234567891", true, 1, 123456789 },
		{ "-0.0000000001", true, -1, 999999999 },
		{ "7.", true, 7, 0 },
		{ "", false, 0, 0 },
		{ "-", false, 0, 0 },
		{ ".5", false, 0, 0 },
		{ "1.x", false, 0, 0 },
		{ "1e9", false, 0, 0 },
		{ "99999999999999999999", false, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t ns = 0;
		int64_t s = 0;

		assert_int_equal(pax_time(rows[i].text, strlen(rows[i].text), &s, &ns), rows[i].ok);
		if (rows[i].ok) {
			assert_int_equal(s, rows[i].s);
			assert_int_equal(ns, rows[i].ns);
		}
	}
}

#define TEXT(s) s, sizeof(s) - 1

static void bad_records(void **state)
{
	static const struct {
		const char *records;
		size_t n;
	} rows[] = {
		{ TEXT("x") },
		{ TEXT("5 a=b") },
		{ TEXT("99 a=b\n") },
		{ TEXT("6 a=b\n6 a=") },
		{ TEXT("0 a=b\n") },
		{ TEXT("-6 a=b\n") },
		{ TEXT("6 abc\n") },
		{ TEXT("6 =ab\n") },
		{ TEXT("10 uid=-1\n") },
		{ TEXT("18 uid=4294967295\n") },
		{ TEXT("10 path=\0\n") },
		{ TEXT("27 GNU.sparse.numbytes=100\n") },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		/* On the heap, so that a sanitizer sees a byte read behind the records. */
		uint8_t *copy = malloc(rows[i].n);
		struct err err = ERR_INIT;
		struct pax pax = { 0 };

		assert_non_null(copy);
		memcpy(copy, rows[i].records, rows[i].n);
		assert_int_equal(pax_parse(&pax, copy, rows[i].n, false, &limits, &err), -1);
		assert_int_equal(err.code, ERR_bad_input);
		pax_finish(&pax);
		free(copy);
	}
}

static void records(void **state)
{
	static const char text[] = "9 path=a\n9 path=b\n13 mtime=1.5\n8 uid=7\n"
				   "25 SCHILY.xattr.user.a=1\n25 SCHILY.xattr.user.a=2\n"
				   "13 unknown=1\n";
	struct err err = ERR_INIT;
	struct pax pax = { 0 };

	assert_int_equal(
		pax_parse(&pax, (const uint8_t *)text, sizeof(text) - 1, false, &limits, &err), 0);
	assert_string_equal(pax.path, "b");
	assert_true(pax.has_uid && !pax.has_gid);
	assert_int_equal(pax.uid, 7);
	assert_int_equal(pax.n_xattrs, 1);
	assert_memory_equal(pax.xattrs[0].value, "2", 1);
	pax_finish(&pax);
	assert_null(pax.path);
}

static void global_headers_set_no_names(void **state)
{
	struct err err = ERR_INIT;
	struct pax pax = { 0 };

	assert_int_equal(pax_parse(&pax, (const uint8_t *)"8 uid=7\n", 8, true, &limits, &err), 0);
	assert_int_equal(
		pax_parse(&pax, (const uint8_t *)"9 path=a\n", 9, true, &limits, &err), -1);
	pax_finish(&pax);
}

static void acls(void **state)
{
	static const char *const bad[] = { "", "user::rw-",
		"user::rw-,group::r--,other::r-x,x::r--", "user::rw-,group::r--,other::r",
		"user::rw-,user::rw-,group::r--,other::r--",
		"user::rw-,user:5:rw-,group::r--,other::r--",
		"user::rw-,user:lisa:rw-,group::r--,mask::rw-,other::r--",
		"user::rw-,other:5:r--,group::r--,mask::rw-",
		"user::rw-:5:6,group::r--,other::r--" };
	static const uint8_t want[] = { 2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 7,
		0, 0, 0, 2, 0, 6, 0, 0xe8, 3, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255, 16, 0, 6, 0,
		255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255 };
	static const char text[] = "user::rw-,user:lisa:rw-:1000,user:7:r--,group::r--,mask::rw-\n"
				   "other:---\n";
	struct tar_acl acl = { 0 };
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(tar_acl_parse(bad[i], strlen(bad[i]), &acl, &err), -1);
	assert_int_equal(tar_acl_parse(text, strlen(text), &acl, &err), 0);
	assert_int_equal(acl.size, sizeof(want));
	assert_memory_equal(acl.value, want, sizeof(want));
	assert_false(acl.minimal);
	assert_int_equal(tar_acl_parse("u::rwx,g::r-x,o::r-x", 20, &acl, &err), 0);
	assert_true(acl.minimal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(times),
		cmocka_unit_test(bad_records),
		cmocka_unit_test(records),
		cmocka_unit_test(global_headers_set_no_names),
		cmocka_unit_test(acls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
