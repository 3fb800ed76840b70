/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/vm_resolve: who is meant, and who must not be known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bangerd/vm_resolve.h"
#include "common/str.h"

static const struct {
	const char *id, *name;
	uid_t owner;
} made[] = {
	{ "aaaa00000001", "web", 1000 },
	{ "aaaa00000002", "web-two", 1000 },
	{ "bbbb00000003", "web", 1001 },
	{ "cccc00000004", "aaaa00000001", 1000 }, /* named like another's id */
	{ "dddd00000005", "mail", 0 },
	{ "eeee00000006", "mail", 1001 },
	{ "ffff00000007", "lone", 1001 },
};

static struct vm vms[ARRAY_SIZE(made)];

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(made); i++) {
		assert_true(vm_id_parse(made[i].id, &vms[i].row.id));
		assert_true(vm_name_parse(made[i].name, &vms[i].row.name));
		vms[i].row.owner = made[i].owner;
		vms[i].next = i + 1 < ARRAY_SIZE(made) ? &vms[i + 1] : NULL;
	}
	return 0;
}

static void found(void **state)
{
	static const struct {
		uid_t uid;
		const char *ref;
		size_t want;
	} cases[] = {
		{ 1000, "aaaa00000001", 0 }, /* an id beats a name */
		{ 1000, "web", 0 },	     /* a whole name beats a prefix */
		{ 1000, "web-", 1 },
		{ 1000, "aaaa00000002", 1 },
		{ 1000, "cc", 3 },
		{ 1001, "web", 2 },
		{ 1001, "w", 2 },
		{ 1001, "mail", 5 },
		{ 1001, "l", 6 },
		{ 0, "mail", 4 }, /* root's own before others' */
		{ 0, "bbbb00000003", 2 },
		{ 0, "lone", 6 },
		{ 0, "lo", 6 },
		{ 0, "web-two", 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;
		struct vm *vm = NULL;

		if (vm_resolve(vms, cases[i].uid, cases[i].ref, &vm, &err) < 0)
			fail_msg("%zu: %s", i, err.msg);
		assert_ptr_equal(vm, &vms[cases[i].want]);
	}
}

static void refused(void **state)
{
	static const struct {
		uid_t uid;
		const char *ref;
		enum err_code code;
	} cases[] = {
		{ 1000, "we", ERR_bad_request },
		{ 1000, "aaaa0", ERR_bad_request },
		{ 0, "web", ERR_bad_request },
		{ 0, "web-t", ERR_none }, /* kept apart below */
		{ 1000, "bbbb00000003", ERR_not_found },
		{ 1000, "bbbb", ERR_not_found },
		{ 1000, "lone", ERR_not_found },
		{ 1000, "mail", ERR_not_found },
		{ 1002, "web", ERR_not_found },
		{ 1002, "a", ERR_not_found },
		{ 0, "nothing", ERR_not_found },
		{ 0, "web-two-", ERR_not_found },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;
		struct vm *vm = NULL;
		int r = vm_resolve(vms, cases[i].uid, cases[i].ref, &vm, &err);

		assert_int_equal(r, cases[i].code == ERR_none ? 0 : -1);
		assert_int_equal(err.code, cases[i].code);
		if (err.code != ERR_bad_request)
			continue;
		assert_non_null(strstr(err.msg, "multiple VMs match"));
		/* What another owns is not named. */
		if (cases[i].uid != 0)
			assert_null(strstr(err.msg, "bbbb00000003"));
	}
	assert_int_equal(
		vm_resolve(NULL, 0, "web", &(struct vm *){ NULL }, &(struct err)ERR_INIT), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
