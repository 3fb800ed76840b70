/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is a reference, what it means, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/reference.h"
#include "common/str.h"

#define HEX16  "0123456789abcdef"
#define HEX64  HEX16 HEX16 HEX16 HEX16
#define SHA256 "sha256:" HEX64
#define SHA512 "sha512:" HEX64 HEX64
#define A63    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define TAG128 A63 "." A63 "."

static const struct {
	const char *said, *whole;
	bool qualified;
} good[] = {
	{ "debian", "docker.io/library/debian:latest", false },
	{ "debian:12", "docker.io/library/debian:12", false },
	{ "user/app", "docker.io/user/app:latest", false },
	{ "docker.io/debian", "docker.io/library/debian:latest", true },
	{ "index.docker.io/debian", "docker.io/library/debian:latest", true },
	{ "docker.io/user/app", "docker.io/user/app:latest", true },
	{ "ghcr.io/a/b/c:v1", "ghcr.io/a/b/c:v1", true },
	{ "localhost/app", "localhost/app:latest", true },
	{ "localhost:5000/app", "localhost:5000/app:latest", true },
	{ "127.0.0.1:5000/app:1", "127.0.0.1:5000/app:1", true },
	{ "[::1]:5000/app", "[::1]:5000/app:latest", true },
	{ "[2001:db8::1]/app", "[2001:db8::1]/app:latest", true },
	{ "REG.example/app", "reg.example/app:latest", true },
	{ "host:5000/a", "host:5000/a:latest", true },
	{ "a--b/c__d/e.f_g", "docker.io/a--b/c__d/e.f_g:latest", false },
	{ "debian@" SHA256, "docker.io/library/debian@" SHA256, false },
	{ "debian:12@" SHA256, "docker.io/library/debian:12@" SHA256, false },
	{ "debian@" SHA512, "docker.io/library/debian@" SHA512, false },
	{ "app:" TAG128, "docker.io/library/app:" TAG128, false },
	{ "app:_x-Y.1", "docker.io/library/app:_x-Y.1", false },
	{ "debian:5000", "docker.io/library/debian:5000", false },
	{ "localhost:5000", "docker.io/library/localhost:5000", false },
	{ "host:5000/a:5000", "host:5000/a:5000", true },
	{ "x.y/" HEX64, "x.y/" HEX64 ":latest", true },
};

static void test_good(void **state)
{
	char whole[REFERENCE_MAX + 1];
	struct err err = ERR_INIT;
	struct reference r, again;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		if (reference_parse(good[i].said, &r, &err) < 0)
			fail_msg("'%s': %s", good[i].said, err.msg);
		assert_string_equal(reference_format(&r, whole), good[i].whole);
		assert_int_equal(r.qualified, good[i].qualified);
		assert_int_equal(reference_parse(whole, &again, &err), 0);
		assert_true(again.qualified);
		again.qualified = r.qualified;
		assert_memory_equal(&again, &r, sizeof(r));
	}
}

static const char *const bad[] = {
	"",
	"/",
	"/a",
	"a/",
	"a//b",
	"a:",
	"a@",
	":tag",
	"@" SHA256,
	"a:b:c",
	"Debian",
	"a/B",
	"a/b:-x",
	"a:.x",
	"a b",
	"a\tb",
	"a\nb",
	"a:x y",
	"a:x/y z",
	"-a",
	"a-",
	".a",
	"a.",
	"_a",
	"a..b",
	"a___b",
	"a._b",
	"a-.b",
	"../a",
	"a/../b",
	"a/.",
	"./a",
	"a?b",
	"a#b",
	"a%2fb",
	"a\\b",
	"\xc3\xa4/b",
	"http://reg.example/a",
	"user@reg.example/a",
	"user:pw@reg.example/a",
	"host:0/a",
	"host:65536/a",
	"host:99999999999/a",
	"host:/a",
	"host:x/a",
	"host:080/a",
	"-host.x/a",
	"host-.x/a",
	"a..b/c",
	".host/a",
	"host./a",
	"ho_st.x/a",
	"[::1/a",
	"::1/a",
	"[]/a",
	"[abc]/a",
	"[::g]/a",
	"[::1]x/a",
	"[::1]:/a",

	"reg.example:5000/",
	"a@sha256:abc",
	"a@sha256:" HEX64 "0",
	"a@SHA256:" HEX64,
	"a@md5:" HEX16 HEX16,
	"a@" SHA256 ":tag",
	"a@" SHA256 "@" SHA256,
	"a@sha512:" HEX64,
	HEX64,
	"a:" TAG128 "x",
	A63 "a.example/x",
};

static void test_bad(void **state)
{
	struct reference r = { .tag = "untouched" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = ERR_INIT;

		if (reference_parse(bad[i], &r, &err) == 0)
			fail_msg("'%s' is taken as %s/%s:%s", bad[i], r.registry, r.path, r.tag);
		assert_int_equal(err.code, ERR_bad_request);
		assert_true(str_printable(err.msg, true));
	}
	assert_string_equal(r.tag, "untouched");
}

/* Each bound, just kept and just passed. */
static void test_bounds(void **state)
{
	char s[REFERENCE_MAX + 300], path[REFERENCE_PATH_MAX + 2];
	struct err err = ERR_INIT;
	struct reference r;

	memset(path, 'a', sizeof(path));
	path[REFERENCE_PATH_MAX] = '\0';
	snprintf(s, sizeof(s), "r.x/%s", path);
	assert_int_equal(reference_parse(s, &r, &err), 0);
	assert_int_equal(strlen(r.path), REFERENCE_PATH_MAX);
	/* library/ counts, too. */
	assert_int_equal(reference_parse(path, &r, &err), -1);
	snprintf(s, sizeof(s), "r.x/a%s", path);
	assert_int_equal(reference_parse(s, &r, &err), -1);
	/* The whole: 3 + 1 + path + 1 + 128 + 1 + 135. */
	for (size_t n = 242; n <= 243; n++) {
		path[n] = '\0';
		memset(path, 'a', n);
		snprintf(s, sizeof(s), "r.x/%s:%s@%s", path, TAG128, SHA512);
		assert_int_equal(reference_parse(s, &r, &err), n == 242 ? 0 : -1);
	}
	memset(s, 'a', sizeof(s));
	s[sizeof(s) - 1] = '\0';
	assert_int_equal(reference_parse(s, &r, &err), -1);
}

static void test_registry(void **state)
{
	assert_true(reference_is_registry("reg.example"));
	assert_true(reference_is_registry("reg:5000"));
	assert_true(reference_is_registry("reg"));
	assert_true(reference_is_registry("[fe80::1]:443"));
	assert_false(reference_is_registry(""));
	assert_false(reference_is_registry("reg/x"));
	assert_false(reference_is_registry("https://reg"));
	assert_false(reference_is_registry("u@reg"));
	assert_false(reference_is_registry("reg:http"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_registry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
