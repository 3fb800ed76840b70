/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest/path: which program a name is. */
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/str.h"
#include "guest/path.h"

static char dir[] = "/tmp/banger-path-XXXXXX";

static const struct {
	const char *name;
	mode_t mode; /* 0: a directory */
} files[] = { { "a", 0 }, { "b", 0 }, { "a/both", 0755 }, { "b/both", 0755 }, { "b/second", 0755 },
	{ "a/plain", 0644 }, { "b/plain", 0755 }, { "a/onlyplain", 0644 }, { "a/sub", 0 } };

static int make(void **state)
{
	if (!mkdtemp(dir) || chdir(dir) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int fd;

		if (files[i].mode == 0) {
			if (mkdir(files[i].name, 0755) < 0)
				return -1;
			continue;
		}
		fd = open(files[i].name, O_WRONLY | O_CREAT | O_CLOEXEC, files[i].mode);
		if (fd < 0 || fchmod(fd, files[i].mode) < 0)
			return -1;
		close(fd);
	}
	return symlink("loop", "a/loop");
}

static int clear(void **state)
{
	unlink("a/loop");
	for (size_t i = ARRAY_SIZE(files); i-- > 0;)
		remove(files[i].name);
	return chdir("/") < 0 ? -1 : rmdir(dir);
}

/* "A" and "B" in a path stand for the two directories. */
static const char *expand(const char *path, char *buf, size_t cap)
{
	size_t n = 0;

	buf[0] = '\0';
	for (; *path; path++) {
		if (*path == 'A' || *path == 'B')
			n += (size_t)snprintf(buf + n, cap - n, "%s/%c", dir, *path - 'A' + 'a');
		else
			n += (size_t)snprintf(buf + n, cap - n, "%c", *path);
	}
	return buf;
}

static void found(void **state)
{
	static const struct {
		const char *name, *path, *file;
	} cases[] = {
		{ "both", "A:B", "A/both" },
		{ "both", "B:A", "B/both" },
		{ "second", "A:B", "B/second" },
		{ "plain", "A:B", "B/plain" },
		{ "both", "/nowhere:A", "A/both" },
		{ "both", ":::A:", "A/both" },
		{ "both", "a:A", "A/both" }, /* a relative directory is no place to look in */
		{ "a/both", "", "a/both" },
		{ "./b/second", "A", "./b/second" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char path[512], want[512], got[PATH_MAX];
		struct err err = ERR_INIT;

		expand(cases[i].path, path, sizeof(path));
		expand(cases[i].file, want, sizeof(want));
		assert_int_equal(path_find(cases[i].name, path, got, &err), 0);
		assert_string_equal(got, want);
	}
}

static void not_found(void **state)
{
	static const struct {
		const char *name, *path;
		enum err_code code;
	} cases[] = {
		{ "none", "A:B", ERR_no_command },
		{ "", "A:B", ERR_no_command },
		{ "both", "", ERR_no_command },
		{ "both", ":", ERR_no_command },
		{ "both", "a:b", ERR_no_command },
		{ "loop", "A", ERR_no_command },
		{ "a/none", "A", ERR_no_command },
		{ "onlyplain", "A:B", ERR_not_executable },
		{ "sub", "A:B", ERR_not_executable },
		{ "a/onlyplain", "A:B", ERR_not_executable },
		{ "a/sub", "A:B", ERR_not_executable },
		{ "/", "A:B", ERR_not_executable },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char path[512], got[PATH_MAX] = "before";
		struct err err = ERR_INIT;

		expand(cases[i].path, path, sizeof(path));
		assert_int_equal(path_find(cases[i].name, path, got, &err), -1);
		assert_int_equal(err.code, cases[i].code);
		assert_string_equal(got, "before");
	}
}

static void long_names(void **state)
{
	static char name[2 * PATH_MAX], path[4 * PATH_MAX];
	char got[PATH_MAX];
	struct err err = ERR_INIT;

	memset(name, 'x', sizeof(name) - 1);
	assert_int_equal(path_find(name, "/bin", got, &err), -1);
	assert_int_equal(err.code, ERR_no_command);
	name[0] = '/';
	assert_int_equal(path_find(name, "/bin", got, &err), -1);
	assert_int_equal(err.code, ERR_no_command);
	memset(path, '/', sizeof(path) - 1);
	assert_int_equal(path_find("both", path, got, &err), -1);
	assert_int_equal(err.code, ERR_no_command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found),
		cmocka_unit_test(not_found),
		cmocka_unit_test(long_names),
	};

	return cmocka_run_group_tests_name("path", tests, make, clear);
}
