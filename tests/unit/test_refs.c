/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/refs: what a reference means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "bangerd/refs.h"
#include "common/str.h"

struct thing {
	const char *id, *name;
	uid_t owner;
	const char *digest;
};

/* Oldest first; seen by uid 1000: its own and root's. */
static const struct thing of_1000[] = {
	{ "aaaaaaaaaaaa", "debian", 0, "sha256:1" },
	{ "bbbbbbbbbbbb", "debian", 1000, "sha256:2" },
	{ "bbbbbbbbbbcc", "alpine", 1000, "sha256:3" },
	{ "cccccccccccc", "alpine-old", 1000, "sha256:3" },
	{ "dddddddddddd", "aaaaaaaaaaaa", 1000, "sha256:4" },
	{ "eeeeeeeeeeee", "tool", 0, "sha256:5" },
};

static const struct thing of_root[] = {
	{ "aaaaaaaaaaaa", "debian", 1000, "sha256:1" },
	{ "bbbbbbbbbbbb", "debian", 1001, "sha256:2" },
	{ "cccccccccccc", "mine", 1000, "sha256:2" },
	{ "dddddddddddd", "mine", 0, "sha256:2" },
};

/* The id that it means, or the code's name. */
static const char *mean(const struct thing *things, size_t n, uid_t uid, const char *ref)
{
	const char *best = NULL;
	struct err err = ERR_INIT;
	struct refs r;

	refs_begin(&r, uid, ref);
	for (size_t i = 0; i < n; i++)
		if (refs_offer(&r, things[i].id, things[i].name, things[i].owner, things[i].digest))
			best = things[i].id;
	if (refs_end(&r, "image", &err) < 0)
		return strstr(err.msg, ref) ? err_code_name(err.code) : "?";
	return best;
}

static void test_user(void **state)
{
	static const char *const rows[][2] = {
		{ "debian", "bbbbbbbbbbbb" },	    /* its own before root's */
		{ "tool", "eeeeeeeeeeee" },	    /* root's */
		{ "aaaaaaaaaaaa", "aaaaaaaaaaaa" }, /* an id before a name */
		{ "alpine", "bbbbbbbbbbcc" },	    /* a name before a prefix of another */
		{ "alpine-", "cccccccccccc" },	    /* a unique prefix */
		{ "alp", "bad_request" },
		{ "bbbbbbbbbb", "bad_request" },
		{ "bbbbbbbbbbb", "bbbbbbbbbbbb" },
		{ "sha256:3", "cccccccccccc" }, /* of one digest the newest */
		{ "sha256:", "not_found" },	/* no prefix of a digest */
		{ "nothing", "not_found" },
		{ "t", "eeeeeeeeeeee" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(
			mean(of_1000, ARRAY_SIZE(of_1000), 1000, rows[i][0]), rows[i][1]);
}

static void test_root(void **state)
{
	static const char *const rows[][2] = {
		{ "mine", "dddddddddddd" },
		{ "debian", "bad_request" }, /* two users have one */
		{ "aa", "aaaaaaaaaaaa" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(mean(of_root, ARRAY_SIZE(of_root), 0, rows[i][0]), rows[i][1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
