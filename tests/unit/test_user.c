/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest/user: users by an image's own passwd and group, which may be anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"
#include "guest/user.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/bash\n"
			     "bob:x:1000:1000:Bob,,,:/home/bob:/bin/sh\n"
			     "123:x:7:8::/numeric:\n"
			     "nohome:x:1001:1001:::\n"
			     "bob:x:9:9:second:/second:/second\n";
static const char group[] = "root:x:0:\nbob:x:1000:bob\nwheel:x:10:alice,bob\nall:x:20:bob,bobby\n"
			    "twin:x:10:bob\nbobs:x:30:bobby\n55:x:66:\nlast:x:40:bob";

/* What USER[:GROUP] is to be; groups in order. */
static const struct {
	const char *spec;
	uid_t uid;
	gid_t gid;
	const char *name, *home, *shell;
	gid_t groups[8];
	size_t n_groups;
} good[] = {
	{ "", 0, 0, "root", "/root", "/bin/bash", { 0 }, 1 },
	{ "root", 0, 0, "root", "/root", "/bin/bash", { 0 }, 1 },
	{ "bob", 1000, 1000, "bob", "/home/bob", "/bin/sh", { 1000, 10, 20, 40 }, 4 },
	{ "1000", 1000, 1000, "bob", "/home/bob", "/bin/sh", { 1000, 10, 20, 40 }, 4 },
	{ "bob:wheel", 1000, 10, "bob", "/home/bob", "/bin/sh", { 10 }, 1 },
	{ "bob:77", 1000, 77, "bob", "/home/bob", "/bin/sh", { 77 }, 1 },
	{ "bob:55", 1000, 66, "bob", "/home/bob", "/bin/sh", { 66 }, 1 },
	{ "123", 7, 8, "123", "/numeric", "", { 8 }, 1 },
	{ "nohome", 1001, 1001, "nohome", "/", "", { 1001 }, 1 },
	{ "4242", 4242, 0, "", "/", "", { 0 }, 1 },
	{ "4242:wheel", 4242, 10, "", "/", "", { 10 }, 1 },
	{ "4294967294:4294967294", 4294967294, 4294967294, "", "/", "", { 4294967294 }, 1 },
};

static void known_users(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct err err = ERR_INIT;
		struct user u;

		assert_int_equal(user_lookup(good[i].spec, passwd, group, &u, &err), 0);
		assert_int_equal(u.uid, good[i].uid);
		assert_int_equal(u.gid, good[i].gid);
		assert_string_equal(u.name, good[i].name);
		assert_string_equal(u.home, good[i].home);
		assert_string_equal(u.shell, good[i].shell);
		assert_int_equal(u.n_groups, good[i].n_groups);
		assert_memory_equal(u.groups, good[i].groups, u.n_groups * sizeof(gid_t));
	}
}

static void unknown_users(void **state)
{
	static const struct {
		const char *spec;
		enum err_code code;
	} bad[] = {
		{ "alice", ERR_not_found },
		{ "Root", ERR_not_found },
		{ "bo", ERR_not_found },
		{ "bob:nogroup", ERR_not_found },
		{ "4294967295", ERR_not_found }, /* (uid_t)-1: no change, to the kernel */
		{ "4294967296", ERR_not_found },
		{ "-1", ERR_not_found },
		{ "+5", ERR_not_found },
		{ "0x10", ERR_not_found },
		{ "05", ERR_not_found },
		{ "1:99999999999", ERR_not_found },
		{ "bob:wheel:x", ERR_not_found },
		{ ":wheel", ERR_bad_request },
		{ "bob:", ERR_bad_request },
		{ ":", ERR_bad_request },
		{ "a-name-that-is-longer-than-any-user-s-name-could-be-on-any-system-at-all",
			ERR_bad_request },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = ERR_INIT;
		struct user u, before;

		memset(&u, 0xaa, sizeof(u));
		before = u;
		assert_int_equal(user_lookup(bad[i].spec, passwd, group, &u, &err), -1);
		assert_int_equal(err.code, bad[i].code);
		assert_memory_equal(&u, &before, sizeof(u));
	}
}

static void no_files(void **state)
{
	struct err err = ERR_INIT;
	struct user u;

	assert_int_equal(user_lookup("", NULL, NULL, &u, &err), 0);
	assert_int_equal(u.uid, 0);
	assert_string_equal(u.home, "/");
	assert_int_equal(user_lookup("5:6", NULL, NULL, &u, &err), 0);
	assert_int_equal(u.uid, 5);
	assert_int_equal(u.gid, 6);
	assert_int_equal(user_lookup("bob", NULL, NULL, &u, &err), -1);
	assert_int_equal(err.code, ERR_not_found);
	assert_int_equal(user_lookup("5:wheel", NULL, NULL, &u, &err), -1);
	assert_int_equal(err.code, ERR_not_found);
}

/* Lines that are none are as if they were not there. */
static void hostile_lines(void **state)
{
	static const char *const lines[] = { "evil", "evil:x", "evil:x:1",
		"evil:x:1:1:::/:extra:", "evil:x:-1:0::/:", "evil:x:4294967295:0::/:",
		"evil:x:1:99999999999::/:", "evil:x: 1:1::/:", "evil:x::1::/:", "evil:x:1a:1::/:",
		":x:1:1::/:", "::::::", "\n\n:::\n", "", "+evil::::::" };
	char text[512];

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct err err = ERR_INIT;
		struct user u;

		assert_true(str_format(text, sizeof(text), "%s\ngood:x:5:5::/g:/s", lines[i]));
		assert_int_equal(user_lookup("evil", text, NULL, &u, &err), -1);
		assert_int_equal(err.code, ERR_not_found);
		assert_int_equal(user_lookup("good", text, NULL, &u, &err), 0);
		assert_string_equal(u.shell, "/s");
	}
}

/* Values longer than there is room for, and more groups than there is room for. */
static void hostile_sizes(void **state)
{
	size_t cap = 1 << 20, at = 0;
	char *text = malloc(cap);
	struct err err = ERR_INIT;
	struct user u;

	assert_non_null(text);
	at = (size_t)snprintf(text, cap, "bob:x:5:5::/");
	memset(text + at, 'h', PATH_MAX);
	at += PATH_MAX;
	snprintf(text + at, cap - at, ":/s\nbob:x:6:6::/short:/s\n");
	assert_int_equal(user_lookup("bob", text, NULL, &u, &err), 0);
	assert_int_equal(u.uid, 6);
	at = 0;
	for (int i = 0; i < 2 * USER_GROUPS_MAX; i++)
		at += (size_t)snprintf(text + at, cap - at, "g%d:x:%d:bob\n", i, i + 100);
	assert_int_equal(user_lookup("bob", passwd, text, &u, &err), 0);
	assert_int_equal(u.n_groups, USER_GROUPS_MAX);
	assert_int_equal(u.groups[0], 1000);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_users),
		cmocka_unit_test(unknown_users),
		cmocka_unit_test(no_files),
		cmocka_unit_test(hostile_lines),
		cmocka_unit_test(hostile_sizes),
	};

	return cmocka_run_group_tests_name("user", tests, NULL, NULL);
}
