/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fetch program's rules that need no network: addresses, challenges, URLs, ranges, and who may
 * be asked on whose behalf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "banger-imaged/fetch_address.h"
#include "banger-imaged/fetch_challenge.h"
#include "banger-imaged/fetch_endpoint.h"
#include "banger-imaged/fetch_http_reply.h"
#include "common/str.h"

static void test_addresses(void **state)
{
	static const struct {
		const char *ip;
		enum address_class class;
	} rows[] = {
		{ "8.8.8.8", ADDRESS_PUBLIC },
		{ "172.15.255.255", ADDRESS_PUBLIC },
		{ "172.32.0.0", ADDRESS_PUBLIC },
		{ "172.16.0.1", ADDRESS_PRIVATE },
		{ "10.0.0.1", ADDRESS_PRIVATE },
		{ "192.168.1.1", ADDRESS_PRIVATE },
		{ "100.64.0.1", ADDRESS_PRIVATE },
		{ "100.128.0.1", ADDRESS_PUBLIC },
		{ "127.255.255.254", ADDRESS_LOOPBACK },
		{ "169.254.169.254", ADDRESS_LINK_LOCAL },
		{ "0.0.0.0", ADDRESS_OTHER },
		{ "224.0.0.1", ADDRESS_OTHER },
		{ "255.255.255.255", ADDRESS_OTHER },
		{ "::", ADDRESS_OTHER },
		{ "::1", ADDRESS_LOOPBACK },
		{ "fe80::1", ADDRESS_LINK_LOCAL },
		{ "febf::1", ADDRESS_LINK_LOCAL },
		{ "fec0::1", ADDRESS_PRIVATE },
		{ "fd00:ec2::254", ADDRESS_PRIVATE },
		{ "ff02::1", ADDRESS_OTHER },
		{ "2001:4860:4860::8888", ADDRESS_PUBLIC },
		{ "::ffff:127.0.0.1", ADDRESS_LOOPBACK },
		{ "::ffff:169.254.169.254", ADDRESS_LINK_LOCAL },
		{ "::127.0.0.1", ADDRESS_LOOPBACK },
		{ "64:ff9b::a00:1", ADDRESS_PRIVATE },
		{ "2002:a9fe:a9fe::1", ADDRESS_LINK_LOCAL },
		{ "2130706433", ADDRESS_OTHER },
		{ "", ADDRESS_OTHER },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (address_class_of_text(rows[i].ip) != rows[i].class)
			fail_msg("%s is taken for %s", rows[i].ip,
				address_class_text(address_class_of_text(rows[i].ip)));
	assert_true(address_is_loopback_name("localhost"));
	assert_true(address_is_loopback_name("a.localhost"));
	assert_true(address_is_loopback_name("[::1]"));
	assert_false(address_is_loopback_name("localhost.example"));
	assert_false(address_is_loopback_name("notlocalhost"));
}

static void test_challenges(void **state)
{
	static const struct {
		const char *text, *realm, *service, *scope;
		bool basic, bearer;
	} good[] = {
		{ "Basic realm=\"x\"", "", "", "", true, false },
		{ "basic", "", "", "", true, false },
		{ "Bearer realm=\"https://a/t\",service=\"s\",scope=\"repository:a:pull\"",
			"https://a/t", "s", "repository:a:pull", false, true },
		{ "Negotiate abc==, Bearer realm=r", "r", "", "", false, true },
		{ "Digest realm=\"a, Basic b\", Bearer Service = \"q\\\"q\" ,realm=\"\"", "",
			"q\"q", "", false, true },
		{ "Bearer realm=\"one\", Bearer realm=\"two\", Basic", "one", "", "", true, true },
		{ "", "", "", "", false, false },
		{ " , ,", "", "", "", false, false },
	};
	static const char *const bad[] = { "Bearer realm=\"x", "Bearer realm=\"a\",realm=\"b\"",
		"Bearer realm=\"a\" service=\"b\"", "=", "Bearer realm=\"a\\", "\"x\"", "Bearer/ x",
		"Bearer realm=\"a\x01\"" };
	struct challenge c;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct err err = ERR_INIT;

		if (challenge_parse(good[i].text, &c, &err) < 0)
			fail_msg("'%s': %s", good[i].text, err.msg);
		assert_string_equal(c.realm, good[i].realm);
		assert_string_equal(c.service, good[i].service);
		assert_string_equal(c.scope, good[i].scope);
		assert_int_equal(c.basic, good[i].basic);
		assert_int_equal(c.bearer, good[i].bearer);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = ERR_INIT;

		if (challenge_parse(bad[i], &c, &err) == 0)
			fail_msg("'%s' is taken", bad[i]);
		assert_int_equal(err.code, ERR_bad_input);
	}
	assert_true(challenge_scope_is_pull("repository:a/b:pull"));
	assert_false(challenge_scope_is_pull("repository:a/b:pull,push"));
	assert_false(challenge_scope_is_pull("repository:a:push repository:b:pull"));
	assert_false(challenge_scope_is_pull("registry:catalog:*"));
	assert_false(challenge_scope_is_pull("repository::pull"));
}

static void test_ranges(void **state)
{
	static const char *const bad[] = { "", "bytes", "bytes 5-4/10", "bytes 0-10/10",
		"bytes -1-5/10", "bytes 0-5", "bytes 0-5/", "bytes 0-5/x", "bytes */10",
		"items 0-5/10", "bytes 0-5/10 ", "bytes 0-99999999999999999999/*" };
	struct http_reply r = { 0 };

	assert_true(http_reply_parse_range("bytes 5-9/10", &r));
	assert_true(r.range_from == 5 && r.range_to == 9 && r.range_total == 10);
	assert_true(http_reply_parse_range("bytes 0-0/*", &r) && !r.has_range_total);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (http_reply_parse_range(bad[i], &r))
			fail_msg("'%s' is taken", bad[i]);
}

/* The addresses that may be asked at a URL, or -1. */
static int permitted(struct endpoint *e, const char *url)
{
	struct http_request q = { 0 };
	struct err err = ERR_INIT;
	bool own;

	return endpoint_permit(e, url, &q, &own, &err) < 0 ? -1 : (int)q.addresses;
}

static void begin(struct endpoint *e, const char *host, bool plain)
{
	struct fetch_endpoint_in in = { .plain_http = plain };
	struct err err = ERR_INIT;

	assert_true(text_parse(host, &in.host));
	assert_int_equal(endpoint_init(e, &in, &err), 0);
}

static void test_permissions(void **state)
{
	const int own = ADDRESS_PUBLIC | ADDRESS_PRIVATE | ADDRESS_LOOPBACK;
	struct endpoint e;

	begin(&e, "reg.example", false);
	assert_int_equal(permitted(&e, "https://reg.example/v2/"), own);
	assert_int_equal(permitted(&e, "https://REG.example:443/v2/"), own);
	assert_int_equal(permitted(&e, "https://reg.example:444/"), ADDRESS_PUBLIC);
	assert_int_equal(permitted(&e, "https://reg.example.evil/"), ADDRESS_PUBLIC);
	assert_int_equal(permitted(&e, "http://reg.example/"), -1);
	assert_int_equal(permitted(&e, "ftp://reg.example/"), -1);
	assert_int_equal(permitted(&e, "https://a:b@reg.example/"), -1);
	endpoint_saw(&e, ADDRESS_PRIVATE);
	assert_int_equal(permitted(&e, "https://b.example/"), ADDRESS_PUBLIC | ADDRESS_PRIVATE);
	endpoint_saw(&e, ADDRESS_LINK_LOCAL);
	assert_int_equal(permitted(&e, "https://b.example/"), ADDRESS_PUBLIC | ADDRESS_PRIVATE);
	assert_false(endpoint_is_open(&e));
	endpoint_found(&e, false);
	assert_int_equal(permitted(&e, "http://reg.example/"), -1);
	endpoint_finish(&e);

	begin(&e, "localhost:5000", false);
	assert_int_equal(permitted(&e, "http://localhost:5000/"), -1);
	assert_true(endpoint_is_open(&e));
	endpoint_found(&e, false);
	assert_false(endpoint_is_open(&e));
	assert_int_equal(permitted(&e, "http://localhost:5000/"), ADDRESS_LOOPBACK);
	assert_int_equal(permitted(&e, "http://b.example/"), 0);
	endpoint_saw(&e, ADDRESS_LOOPBACK);
	assert_int_equal(permitted(&e, "http://b.example/"), ADDRESS_LOOPBACK);
	endpoint_finish(&e);

	begin(&e, "reg.example:5000", true);
	assert_int_equal(permitted(&e, "http://reg.example:5000/"), own);
	assert_int_equal(permitted(&e, "http://b.example/"), ADDRESS_PUBLIC);
	endpoint_finish(&e);

	begin(&e, "169.254.7.7", true);
	assert_int_equal(permitted(&e, "http://169.254.7.7/"), own | ADDRESS_LINK_LOCAL);
	assert_int_equal(permitted(&e, "http://169.254.169.254/"), ADDRESS_PUBLIC);
	endpoint_finish(&e);
}

static void test_urls(void **state)
{
	static const char *const base = "https://reg.example/v2/a/blobs/x";
	static const struct {
		const char *location, *url;
	} rows[] = {
		{ "/y", "https://reg.example/y" },
		{ "y?z", "https://reg.example/v2/a/blobs/y?z" },
		{ "//b.example/y", "https://b.example/y" },
		{ "http://b.example/y#z", "http://b.example/y" },
		{ "https://a:b@c.example/", NULL },
		{ "file:///etc/passwd", NULL },
		{ "https://a b/", NULL },
		{ "https://a%0d.example/", NULL },
		{ "https://a%ae.example/", NULL },
		{ "https://a.example/\r\nX: y", NULL },
		{ "https://\xc3\xa4.example/", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		char *url = NULL;

		if (url_resolve(base, rows[i].location, &url, &err) < 0)
			assert_null(rows[i].url);
		else
			assert_string_equal(url, rows[i].url);
		free(url);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_challenges),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_permissions),
		cmocka_unit_test(test_urls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
