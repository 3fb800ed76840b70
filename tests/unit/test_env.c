/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest/env: what a guest's process finds in its environment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"
#include "guest/env.h"

static strv strv_of(const char *p, uint32_t n)
{
	strv v;

	assert_true(strv_parse(p, n, &v));
	return v;
}

static void later_wins(void **state)
{
	static const char image[] = "A=1\0PATH=/x\0A=2", asked[] = "PATH=\0B=b=c";
	strv v = strv_of(image, sizeof(image)), w = strv_of(asked, sizeof(asked));
	_cleanup_env_ struct env e = { 0 };
	struct err err = ERR_INIT;

	assert_null(env_get(&e, "A"));
	assert_int_equal(env_add(&e, &v, &err), 0);
	assert_int_equal(e.n, 2);
	assert_string_equal(env_get(&e, "A"), "2");
	assert_int_equal(env_set(&e, "HOME", "/root", &err), 0);
	assert_int_equal(env_add(&e, &w, &err), 0);
	assert_string_equal(env_get(&e, "PATH"), "");
	assert_string_equal(env_get(&e, "B"), "b=c");
	assert_string_equal(env_get(&e, "HOME"), "/root");
	assert_int_equal(e.n, 4);
	assert_null(e.v[4]);
}

static void names_are_whole(void **state)
{
	static const char image[] = "HOMER=simpson\0HOM=e";
	strv v = strv_of(image, sizeof(image));
	_cleanup_env_ struct env e = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(env_add(&e, &v, &err), 0);
	assert_null(env_get(&e, "HOME"));
	assert_int_equal(env_set(&e, "HOME", "/", &err), 0);
	assert_string_equal(env_get(&e, "HOMER"), "simpson");
	assert_string_equal(env_get(&e, "HOM"), "e");
}

static void no_entries(void **state)
{
	static const char image[] = "=x\0NOVALUE\0\0=\0OK=";
	strv v = strv_of(image, sizeof(image)), none = { 0 };
	_cleanup_env_ struct env e = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(env_add(&e, &none, &err), 0);
	assert_int_equal(env_add(&e, &v, &err), 0);
	assert_int_equal(e.n, 1);
	assert_string_equal(e.v[0], "OK=");
}

static void many(void **state)
{
	_cleanup_env_ struct env e = { 0 };
	struct err err = ERR_INIT;
	char name[32];

	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 1000; i++) {
			assert_true(str_format(name, sizeof(name), "N%d", i));
			assert_int_equal(env_set(&e, name, round ? "new" : "old", &err), 0);
		}
	assert_int_equal(e.n, 1000);
	assert_null(e.v[1000]);
	assert_string_equal(env_get(&e, "N999"), "new");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(later_wins),
		cmocka_unit_test(names_are_whole),
		cmocka_unit_test(no_entries),
		cmocka_unit_test(many),
	};

	return cmocka_run_group_tests_name("env", tests, NULL, NULL);
}
