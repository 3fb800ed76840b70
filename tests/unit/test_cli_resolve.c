/* SPDX-License-Identifier: GPL-2.0-or-later */
/* References to VMs, and which kernel of the host is meant. */
#include <ftw.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cmocka.h>

#include "banger-cli/host_kernel.h"
#include "banger-cli/object.h"
#include "banger-cli/resolve.h"
#include "common/str.h"

static const char list_text[] =
	"[{\"id\":\"aaaa11112222\",\"name\":\"web\",\"owner_uid\":7},"
	"{\"id\":\"aaaa33334444\",\"name\":\"web-2\",\"owner_uid\":7},"
	"{\"id\":\"bbbb55556666\",\"name\":\"aaaa33334444\",\"owner_uid\":0},"
	"{\"id\":\"cccc77778888\",\"name\":\"db\",\"owner_uid\":8,\"digest\":\"sha256:feed\"},"
	"{\"id\":\"dddd11112222\",\"name\":\"web\",\"owner_uid\":0},"
	"{\"id\":\"dddd33334444\",\"name\":\"web\",\"owner_uid\":8},"
	"{\"id\":\"eeee11112222\",\"name\":\"old\",\"owner_uid\":8},"
	"{\"id\":\"eeee33334444\",\"name\":\"old\",\"owner_uid\":9,\"digest\":\"sha256:two\"},"
	"{\"id\":\"ffff11112222\",\"name\":\"new\",\"owner_uid\":7,\"digest\":\"sha256:two\"},"
	"{\"id\":7},null]";

static void test_resolve(void **state)
{
	struct json_object *list = json_tokener_parse(list_text);
	static const struct {
		uid_t uid;
		const char *reference, *id; /* NULL: refused */
		const char *msg;	    /* of the refusal */
	} rows[] = {
		{ 7, "web", "aaaa11112222", NULL }, /* one's own first, */
		{ 0, "web", "dddd11112222", NULL }, /* whoever's is older, */
		{ 8, "web", "dddd33334444", NULL },
		{ 9, "web", "dddd11112222", NULL }, /* then root's; exact name before prefix */
		{ 7, "web-", "aaaa33334444", NULL },
		{ 0, "aaaa33334444", "aaaa33334444", NULL }, /* exact id before own name */
		{ 7, "bbbb", "bbbb55556666", NULL },
		{ 7, "db", "cccc77778888", NULL },
		{ 7, "sha256:f", "cccc77778888", NULL },
		{ 7, "sha256:feed", "cccc77778888", NULL },
		{ 8, "old", "eeee11112222", NULL },
		{ 0, "old", NULL,
			"multiple VMs match 'old': old (eeee11112222), old (eeee33334444)" },
		{ 7, "sha256:two", NULL,
			"multiple VMs match 'sha256:two': old (eeee33334444), new (ffff11112222)" },
		{ 7, "aaaa", NULL,
			"multiple VMs match 'aaaa': web (aaaa11112222), web-2 (aaaa33334444), "
			"aaaa33334444 (bbbb55556666)" },
		{ 7, "nope", NULL, "there is no VM 'nope'" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct json_object *found = NULL;
		struct err err = ERR_INIT;
		int r = resolve(list, "VM", rows[i].uid, rows[i].reference, &found, &err);

		assert_int_equal(r, rows[i].id ? 0 : -1);
		if (rows[i].id)
			assert_string_equal(object_text(found, "id"), rows[i].id);
		else
			assert_string_equal(err.msg, rows[i].msg);
	}
	json_object_put(list);
}

/* Of many, the first are named. */
static void test_resolve_among_many(void **state)
{
	struct json_object *list = json_object_new_array(), *found;
	struct err err = ERR_INIT;

	for (int i = 0; i < 40; i++) {
		struct json_object *o = json_object_new_object();
		char id[16];

		snprintf(id, sizeof(id), "%012d", i);
		json_object_object_add(o, "id", json_object_new_string(id));
		json_object_object_add(o, "name", json_object_new_string("web"));
		json_object_object_add(o, "owner_uid", json_object_new_int(9));
		json_object_array_add(list, o);
	}
	assert_int_equal(resolve(list, "VM", 0, "web", &found, &err), -1);
	assert_non_null(strstr(err.msg, "web (000000000000), web (000000000001), "));
	assert_true(str_ends(err.msg, "), …"));
	json_object_put(list);
}

/* ---- the host's kernel ---- */

static char root[64];

static void make(const char *path, bool directory)
{
	char whole[256];

	assert_true(str_format(whole, sizeof(whole), "%s/%s", root, path));
	if (directory) {
		assert_int_equal(mkdir(whole, 0755), 0);
	} else {
		FILE *f = fopen(whole, "w");

		assert_non_null(f);
		fclose(f);
	}
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	return remove(path);
}

static int setup(void **state)
{
	str_copy(root, sizeof(root), "/tmp/test-cli-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void assert_modules(const char *kernel, const char *modules)
{
	char whole[256], expected[256] = "";
	struct host_kernel host;
	struct err err = ERR_INIT;

	str_format(whole, sizeof(whole), "%s/%s", root, kernel);
	if (modules)
		str_format(expected, sizeof(expected), "%s/%s", root, modules);
	assert_int_equal(host_kernel_choose(root, whole, NULL, &host, &err), 0);
	assert_string_equal(host.kernel, whole);
	assert_string_equal(host.modules, expected);
}

static void test_host_kernel(void **state)
{
	static const char *const directories[] = { "boot", "lib", "lib/modules",
		"lib/modules/6.1.0-9-amd64", "lib/modules/6.1.0-13-amd64", "lib/modules/7.0" };
	static const char *const files[] = { "boot/vmlinuz-6.1.0-9-amd64",
		"boot/vmlinuz-6.1.0-13-amd64", "boot/vmlinuz-6.9-no-modules", "boot/vmlinux",
		"kernel.deb", "boot/vmlinuz-" };
	struct host_kernel host;
	struct err err = ERR_INIT;
	char expected[256], link_path[256];
	struct utsname u;

	assert_int_equal(host_kernel_choose(root, NULL, NULL, &host, &err), -1);
	assert_int_equal(err.code, ERR_not_found);
	for (size_t i = 0; i < ARRAY_SIZE(directories); i++)
		make(directories[i], true);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		make(files[i], false);

	/* The newest that has modules; numbers count as numbers. */
	assert_int_equal(host_kernel_choose(root, NULL, NULL, &host, &err), 0);
	str_format(expected, sizeof(expected), "%s/boot/vmlinuz-6.1.0-13-amd64", root);
	assert_string_equal(host.kernel, expected);
	str_format(expected, sizeof(expected), "%s/lib/modules/6.1.0-13-amd64", root);
	assert_string_equal(host.modules, expected);

	assert_modules("boot/vmlinuz-6.1.0-9-amd64", "lib/modules/6.1.0-9-amd64");
	assert_modules("boot/vmlinuz-6.9-no-modules", NULL);
	assert_modules("boot/vmlinux", NULL);
	assert_modules("kernel.deb", NULL);
	str_format(link_path, sizeof(link_path), "%s/vmlinuz", root);
	assert_int_equal(symlink("boot/vmlinuz-6.1.0-9-amd64", link_path), 0);
	assert_modules("vmlinuz", "lib/modules/6.1.0-9-amd64");

	/* What was named is taken as it is: whether it can be opened shows later. */
	assert_int_equal(host_kernel_choose(root, "/no/where", "/no/dir", &host, &err), 0);
	assert_string_equal(host.modules, "/no/dir");

	/* The running kernel comes before a newer one. */
	assert_int_equal(uname(&u), 0);
	str_format(expected, sizeof(expected), "lib/modules/%s", u.release);
	make(expected, true);
	str_format(expected, sizeof(expected), "boot/vmlinuz-%s", u.release);
	make(expected, false);
	assert_int_equal(host_kernel_choose(root, NULL, NULL, &host, &err), 0);
	str_format(expected, sizeof(expected), "%s/boot/vmlinuz-%s", root, u.release);
	assert_string_equal(host.kernel, expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_resolve_among_many),
		cmocka_unit_test_setup_teardown(test_host_kernel, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
