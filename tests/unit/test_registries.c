/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/registries: what registries.conf says, and what it cannot say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bangerd/registries.h"
#include "common/str.h"

static const char good[] = "# comment\n"
			   "[short-names]\n"
			   "debian = registry.example.org:5000/mirror/debian\n"
			   "team/tool = ghcr.io/team/tool:stable\n"
			   "[Registry.Example.org:5000]\n"
			   "mirror = cache.example.net/hub\n"
			   "mirror = 127.0.0.1:5001\n"
			   "ca = /etc/banger/example.pem\n"
			   "[127.0.0.1:5001]\n"
			   "plain_http = yes\n"
			   "[cache.example.net]\n"
			   "insecure = on\n";

static struct registries *parse(const char *content)
{
	struct registries *r = NULL;
	struct err err = ERR_INIT;

	if (registries_parse("test", content, &r, &err) < 0)
		fail_msg("%s", err.msg);
	return r;
}

static void test_short_names(void **state)
{
	static const struct {
		const char *given, *means;
	} rows[] = {
		{ "debian", "registry.example.org:5000/mirror/debian:latest" },
		{ "debian:12", "registry.example.org:5000/mirror/debian:12" },
		{ "library/debian", "docker.io/library/debian:latest" },
		{ "docker.io/debian", "docker.io/library/debian:latest" },
		{ "team/tool", "ghcr.io/team/tool:stable" },
		{ "team/tool:2", "ghcr.io/team/tool:2" },
		{ "team/tools", "docker.io/team/tools:latest" },
		{ "busybox", "docker.io/library/busybox:latest" },
		{ "localhost/debian", "localhost/debian:latest" },
	};
	_cleanup_registries_ struct registries *r = parse(good);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char got[REFERENCE_MAX + 1];
		struct reference ref;
		struct err err = ERR_INIT;

		assert_int_equal(registries_resolve(r, rows[i].given, &ref, &err), 0);
		assert_string_equal(reference_format(&ref, got), rows[i].means);
	}
}

/* A digest alone has no tag, neither the user's nor the short name's. */
static void test_short_name_with_digest(void **state)
{
	_cleanup_registries_ struct registries *r = parse(good);
	char given[128], got[REFERENCE_MAX + 1], want[REFERENCE_MAX + 1];
	struct reference ref;
	struct err err = ERR_INIT;

	snprintf(given, sizeof(given), "team/tool@sha256:%064d", 7);
	snprintf(want, sizeof(want), "ghcr.io/%s", given);
	assert_int_equal(registries_resolve(r, given, &ref, &err), 0);
	assert_string_equal(reference_format(&ref, got), want);
}

static void test_endpoints(void **state)
{
	_cleanup_registries_ struct registries *r = parse(good);
	struct registry_endpoint e[REGISTRIES_ENDPOINTS];

	assert_int_equal(registries_endpoints(r, "registry.example.org:5000", e), 3);
	assert_string_equal(e[0].host, "cache.example.net");
	assert_string_equal(e[0].prefix, "hub");
	assert_true(e[0].insecure && !e[0].plain_http && !e[0].ca);
	assert_string_equal(e[1].host, "127.0.0.1:5001");
	assert_string_equal(e[1].prefix, "");
	assert_true(e[1].plain_http && !e[1].insecure);
	assert_string_equal(e[2].host, "registry.example.org:5000");
	assert_string_equal(e[2].ca, "/etc/banger/example.pem");
	assert_true(!e[2].insecure && !e[2].plain_http);
	/* One that is not there has no settings, whatever begins alike. */
	assert_int_equal(registries_endpoints(r, "registry.example.org", e), 1);
	assert_string_equal(e[0].host, "registry.example.org");
	assert_null(e[0].ca);
}

static void test_refused(void **state)
{
	static const struct {
		const char *content, *says;
	} rows[] = {
		{ "[short-names]\ndebian = other/debian\n", "line 2: 'other/debian' must begin" },
		{ "[short-names]\ndocker.io/x = ghcr.io/x\n", "no short name" },
		{ "[short-names]\nx@y = ghcr.io/x\n", "no short name" },
		{ "[short-names]\nUPPER = ghcr.io/x\n", "UPPER" },
		{ "[short-names]\nx = ghcr.io/x\nx = ghcr.io/y\n", "line 3: 'x' is there twice" },
		{ "[ghcr.io/path]\ninsecure = yes\n", "no registry" },
		{ "[ghcr.io]\ninsecure = perhaps\n", "yes or no" },
		{ "[ghcr.io]\ncolour = red\n", "'colour' is not known" },
		{ "[ghcr.io]\nca = relative.pem\n", "absolute path" },
		{ "[ghcr.io]\nmirror = http://x.y\n", "" },
		{ "[ghcr.io]\nmirror = x.y/../z\n", "" },
		{ "[ghcr.io]\nmirror = x.y/a:b\n", "" },
		{ "[ghcr.io]\nmirror =\n", "" },
		{ "insecure = yes\n", "" },
		/* libinih would cut it to another host's name. */
		{ "[registry.a-host-with-a-name-that-is-quite-long.example.org]\ninsecure = yes\n",
			"at most 48 bytes" },
		{ "[ghcr.io]\nnonsense\n", "neither" },
		{ "[ghcr.io]\nmirror=a.b\nmirror=a.b\nmirror=a.b\nmirror=a.b\nmirror=a.b\nmirror=a."
		  "b\n"
		  "mirror=a.b\nmirror=a.b\n",
			"line 9: a registry has at most 7 mirrors" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct registries *r = NULL;
		struct err err = ERR_INIT;

		if (registries_parse("test", rows[i].content, &r, &err) == 0)
			fail_msg("taken: %s", rows[i].content);
		assert_null(r);
		assert_int_equal(err.code, ERR_bad_request);
		if (!strstr(err.msg, rows[i].says))
			fail_msg("%s: %s", rows[i].content, err.msg);
	}
}

static void test_file(void **state)
{
	struct registries *r = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(registries_load("/nonexistent", &r, &err), -1);
	/* A directory, which everybody may write. */
	assert_int_equal(registries_load("/tmp", &r, &err), -1);
	assert_null(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_short_names),
		cmocka_unit_test(test_short_name_with_digest),
		cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
