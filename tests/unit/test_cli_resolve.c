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
	"[{\"id\":\"aaaa11112222\",\"name\":\"web\"},"
	"{\"id\":\"aaaa33334444\",\"name\":\"web-2\"},"
	"{\"id\":\"bbbb55556666\",\"name\":\"aaaa33334444\"},"
	"{\"id\":\"cccc77778888\",\"name\":\"db\",\"digest\":\"sha256:feed\"},"
	"{\"id\":7},null]";

static void test_resolve(void **state)
{
	struct json_object *list = json_tokener_parse(list_text);
	static const struct {
		const char *reference, *id; /* NULL: refused */
		enum err_code code;
	} rows[] = {
		{ "web", "aaaa11112222", ERR_none }, /* exact name before prefix */
		{ "web-", "aaaa33334444", ERR_none },
		{ "aaaa33334444", "aaaa33334444", ERR_none }, /* exact id before name */
		{ "bbbb", "bbbb55556666", ERR_none },
		{ "d", "cccc77778888", ERR_none },
		{ "sha256:f", "cccc77778888", ERR_none },
		{ "we", NULL, ERR_bad_request },
		{ "aaaa", NULL, ERR_bad_request },
		{ "nope", NULL, ERR_not_found },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct json_object *found = NULL;
		struct err err = ERR_INIT;
		int r = resolve(list, "VM", rows[i].reference, &found, &err);

		assert_int_equal(r, rows[i].id ? 0 : -1);
		assert_int_equal(err.code, rows[i].code);
		if (rows[i].id)
			assert_string_equal(object_text(found, "id"), rows[i].id);
	}
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
		cmocka_unit_test_setup_teardown(test_host_kernel, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
