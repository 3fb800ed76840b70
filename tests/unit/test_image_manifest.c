/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Indexes, manifests, configurations: what is refused, and which image is chosen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "banger-imaged/choose.h"
#include "banger-imaged/image_config.h"
#include "banger-imaged/manifest.h"
#include "common/str.h"

#define HEX(c)	    c c c c c c c c c c c c c c c c
#define D(c)	    "\"digest\":\"sha256:" HEX(c c c c) "\",\"size\":10"
#define OCI(what)   "\"mediaType\":\"application/vnd.oci.image." what "\""
#define MANIFEST    OCI("manifest.v1+json")
#define CONFIG	    "\"config\":{" OCI("config.v1+json") "," D("c") "}"
#define LAYER	    "{" OCI("layer.v1.tar+gzip") "," D("e") "}"
#define PLATFORM(a) "\"platform\":{\"os\":\"linux\",\"architecture\":\"" a "\"}"
#define NAME(n)	    "\"annotations\":{\"org.opencontainers.image.ref.name\":\"" n "\"}"
#define INDEX(x)    "{\"schemaVersion\":2,\"manifests\":[" x "]}"

static const struct image_limits limits = IMAGE_LIMITS_DEFAULT;

struct bad {
	const char *text, *what; /* what the message must have in it */
};

static void bad_indexes(void **state)
{
	static const struct bad rows[] = {
		{ "", "JSON" },
		{ "null", "JSON" },
		{ "[]", "object" },
		{ "{}", "schema" },
		{ "{\"schemaVersion\":2}", "manifests" },
		{ "{\"schemaVersion\":2,\"manifests\":{}}", "manifests" },
		{ INDEX("1"), "descriptor" },
		{ INDEX("{}"), "digest" },
		{ INDEX("{" MANIFEST ",\"digest\":\"sha256:..\",\"size\":1}"), "digest" },
		{ INDEX("{" MANIFEST "," D("a") ",\"platform\":1}"), "platform" },
		{ "{\"schemaVersion\":2,\"manifests\":[],\"layers\":[]}", "layers" },
		{ "{\"schemaVersion\":2," MANIFEST ",\"manifests\":[]}", "media type" },
		{ "{\"schemaVersion\":2,\"manifests\":[],\"manifests\":[]}", "JSON" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		struct index x = { 0 };

		assert_int_equal(index_parse(rows[i].text, strlen(rows[i].text),
					 "application/vnd.oci.image.index.v1+json", &x, &err),
			-1);
		assert_int_equal(err.code, ERR_bad_input);
		assert_non_null(strstr(err.msg, rows[i].what));
	}
}

static void bad_manifests(void **state)
{
	static const struct bad rows[] = {
		{ "{\"schemaVersion\":1,\"layers\":[]}", "schema" },
		{ "{\"schemaVersion\":2,\"layers\":[]}", "config" },
		{ "{\"schemaVersion\":2," CONFIG "}", "layers" },
		{ "{\"schemaVersion\":2," CONFIG ",\"layers\":[],\"manifests\":[]}", "manifests" },
		{ "{\"schemaVersion\":2,\"config\":" LAYER ",\"layers\":[]}", "artifact" },
		{ "{\"schemaVersion\":2," CONFIG
		  ",\"layers\":[{" OCI("layer.v1.tar+xz") "," D("a") "}]}",
			"media type" },
		{ "{\"schemaVersion\":2," CONFIG
		  ",\"layers\":[{" OCI("layer.nondistributable.v1.tar") "," D("a") "}]}",
			"foreign" },
	};
	struct err err = ERR_INIT;
	struct manifest m = { 0 };
	static char many[65536];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(
			manifest_parse(rows[i].text, strlen(rows[i].text), "", &limits, &m, &err),
			-1);
		assert_non_null(strstr(err.msg, rows[i].what));
	}
	strcpy(many, "{\"schemaVersion\":2," CONFIG ",\"layers\":[" LAYER);
	for (int i = 1; i < 129; i++)
		strcat(many, "," LAYER);
	strcat(many, "]}");
	assert_int_equal(manifest_parse(many, strlen(many), "", &limits, &m, &err), -1);
	assert_non_null(strstr(err.msg, "129 layers"));
}

/* Choose from an index; the first hex digit of the digest chosen, or 0 with the error in *err. */
static char choose(const char *s, const char *reference, bool top, struct err *err)
{
	const struct descriptor *d = NULL;
	struct index x = { 0 };
	char r = 0;

	assert_int_equal(index_parse(s, strlen(s), "", &x, err), 0);
	if (choose_descriptor(&x, reference, top, &d, err) == 0)
		r = d->digest.s[7];
	index_finish(&x);
	return r;
}

static void choosing(void **state)
{
	static const char two[] = INDEX("{" MANIFEST "," D("a") "," NAME(
		"one") "},{" MANIFEST "," D("b") "," NAME("two") "}");
	static const char same[] = INDEX("{" MANIFEST "," D("a") "," NAME(
		"one") "},{" MANIFEST "," D("a") "," NAME("two") "}");
	static const char arch[] =
		INDEX("{" MANIFEST "," D("a") "," PLATFORM("s390x") "},{" MANIFEST "," D(
			"b") "," PLATFORM("amd64") "},{" MANIFEST
						   "," D("c") "," PLATFORM("arm64") "}");
	static const char bare[] = INDEX("{" MANIFEST "," D("a") "},{" MANIFEST "," D("b") "}");
	char host = strcmp(host_architecture, "amd64") == 0 ? 'b' : 'c';
	struct err err = ERR_INIT;

	assert_int_equal(choose(two, "two", true, &err), 'b');
	assert_int_equal(choose(two, "sha256:" HEX("aaaa"), true, &err), 'a');
	assert_int_equal(choose(two, "", true, &err), 0);
	assert_non_null(strstr(err.msg, "one, two"));
	assert_int_equal(choose(two, "three", true, &err), 0);
	assert_int_equal(err.code, ERR_not_found);
	assert_int_equal(choose(same, "", true, &err), 'a');
	assert_int_equal(choose(arch, "", true, &err), host);
	assert_int_equal(choose(arch, "one", false, &err), host);
	assert_int_equal(choose(bare, "", true, &err), 0);
	assert_int_equal(choose(INDEX(""), "", true, &err), 0);
	assert_int_equal(choose(INDEX("{" OCI("layer.v1.tar") "," D("a") "}"), "", true, &err), 0);
	assert_non_null(strstr(err.msg, "media type"));
}

static void bad_configs(void **state)
{
	static const struct bad rows[] = {
		{ "{}", "os" },
		{ "{\"os\":\"linux\",\"architecture\":\"amd64\"}", "diff_ids" },
		{ "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"x\","
		  "\"diff_ids\":[]}}",
			"rootfs.type" },
		{ "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"layers\","
		  "\"diff_ids\":[\"x\"]}}",
			"digest" },
		{ "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"layers\","
		  "\"diff_ids\":[]},\"config\":{\"Env\":\"A=b\"}}",
			"Env" },
		{ "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"layers\","
		  "\"diff_ids\":[]},\"config\":{\"Cmd\":[1]}}",
			"Cmd" },
		{ "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"layers\","
		  "\"diff_ids\":[]},\"config\":{\"User\":\"a\\nb\"}}",
			"User" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct image_config c = { 0 };
		struct err err = ERR_INIT;

		assert_int_equal(
			image_config_parse(rows[i].text, strlen(rows[i].text), &c, &err), -1);
		assert_non_null(strstr(err.msg, rows[i].what));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_indexes),
		cmocka_unit_test(bad_manifests),
		cmocka_unit_test(choosing),
		cmocka_unit_test(bad_configs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
