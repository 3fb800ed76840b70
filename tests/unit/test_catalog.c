/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/catalog: what a catalog says, what it cannot say, and which of several is right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bangerd/catalog.h"
#include "common/str.h"

#define HEX   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SHA   "sha256:" HEX
#define IMAGE "[image debian-12]\nreference = docker.io/library/debian:12\ndigest = " SHA "\n"
#define KERNEL \
	"[kernel debian-12]\nurl = https://deb.example.org/k.deb\nsize = 12\ndigest = " SHA "\n"

static int parse(struct catalog *c, bool vendor, const char *content, struct err *err)
{
	*err = (struct err)ERR_INIT;
	return catalog_parse(c, "test", "test.conf", vendor, content, err);
}

static struct catalog *empty(void)
{
	struct catalog *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	return c;
}

static const struct catalog_entry *get(
	const struct catalog *c, enum catalog_kind kind, const char *name)
{
	const struct catalog_entry *e = NULL;
	struct err err = ERR_INIT;

	return catalog_find(c, kind, name, &e, &err) == 1 ? e : NULL;
}

static void test_good(void **state)
{
	_cleanup_catalog_ struct catalog *c = empty();
	const struct catalog_entry *e;
	struct err err;

	assert_int_equal(parse(c, false,
				 "# comment\n\n" IMAGE "description = Debian 12 ; the stable one\n"
				 "[image tool]\r\ndigest: sha512:" HEX HEX "\r\n"
				 "reference = [::1]:5000/team/tool\r\n" KERNEL "preferred = yes\n",
				 &err),
		0);
	assert_int_equal(c->n, 3);
	e = get(c, CATALOG_image, "debian-12");
	assert_non_null(e);
	assert_string_equal(e->reference.s, "docker.io/library/debian:12@" SHA);
	assert_string_equal(e->description.s, "Debian 12");
	assert_int_equal(e->line, 4);
	e = get(c, CATALOG_image, "tool");
	assert_non_null(e);
	assert_string_equal(e->reference.s, "[::1]:5000/team/tool:latest@sha512:" HEX HEX);
	e = get(c, CATALOG_kernel, NULL);
	assert_non_null(e);
	assert_string_equal(e->url.s, "https://deb.example.org/k.deb");
	assert_string_equal(e->digest.s, SHA);
	assert_int_equal(e->size, 12);
	assert_true(e == get(c, CATALOG_kernel, "debian-12"));
	assert_null(get(c, CATALOG_image, "no-such"));
	assert_null(get(c, CATALOG_image, NULL));
}

/* What a file cannot say: the line at fault, a word of the message, and nothing of it is there. */
static const struct {
	unsigned line;
	const char *says, *content;
} bad[] = {
	{ 1, "neither", "key = 1\n" },
	{ 1, "neither [section]", "[image a\n" },
	{ 2, "neither [section]", "[image a]\nnothing\n" },
	{ 2, "[images a]", "[images a]\nreference = docker.io/a\n" },
	{ 2, "[image]", "[image]\nreference = docker.io/a\n" },
	{ 2, "[image ]", "[image ]\nreference = docker.io/a\n" },
	{ 2, "[image  a]", "[image  a]\nreference = docker.io/a\n" },
	{ 2, "[image A]", "[image A]\nreference = docker.io/a\n" },
	{ 2, "[image a/b]", "[image a/b]\nreference = docker.io/a\n" },
	{ 2, "[image a:1]", "[image a:1]\nreference = docker.io/a\n" },
	{ 2, "[image -a]", "[image -a]\nreference = docker.io/a\n" },
	{ 2, "[image ../a]", "[image ../a]\nreference = docker.io/a\n" },
	{ 2, "at most 40", "[image a234567890123456789012345678901234567890x]\nreference = a\n" },
	{ 2, "at most 40", /* libinih would cut it to a good one */
		"[image a23456789012345678901234567890123456789012345678]\nreference = "
		"a\n" },
	{ 2, "not known", "[image a]\nurl = https://h/f\n" },
	{ 2, "not known", "[kernel a]\nreference = docker.io/a\n" },
	{ 2, "not known", "[kernel a]\nsha256 = " HEX "\n" },
	{ 3, "twice", "[kernel a]\nsize = 1\nsize = 1\n" },
	{ 3, "twice", "[kernel a]\nsize = 1\n  2\n" }, /* a continuation */
	{ 5, "twice", IMAGE "[image debian-12]\nreference = docker.io/a\n" },
	{ 9, "twice", IMAGE KERNEL "[image debian-12]\ndigest = " SHA "\n" },
	{ 2, "has no 'digest'", "[image a]\nreference = docker.io/a\n" },
	{ 2, "has no 'digest'", "[image a]\nreference = docker.io/a\n" KERNEL },
	{ 2, "has no 'size'",
		"[kernel a]\nurl = https://h.org/f\ndigest = " SHA "\n[image b]\nx = y\n" },
	{ 2, "has no 'url'", "[kernel a]\nsize = 1\ndigest = " SHA "\n" },
	/* values */
	{ 2, "registry", "[image a]\nreference = debian:12\n" },
	{ 2, "registry", "[image a]\nreference = library/debian:12\n" },
	{ 2, "no digest", "[image a]\nreference = docker.io/a@" SHA "\n" },
	{ 2, "reference", "[image a]\nreference =\n" },
	{ 2, "reference", "[image a]\nreference = docker.io/UPPER\n" },
	{ 2, "reference", "[image a]\nreference = docker.io/../a\n" },
	{ 2, "sha256:", "[image a]\ndigest = " HEX "\n" },
	{ 2, "sha256:", "[image a]\ndigest = sha256:" HEX "0\n" },
	{ 2, "sha256:", "[image a]\ndigest = sha256:" HEX HEX "\n" },
	{ 2, "sha256:", "[image a]\ndigest = md5:0123456789abcdef0123456789abcdef\n" },
	{ 2, "sha256:",
		"[image a]\ndigest = sha256:0123456789ABCDEF0123456789abcdef0123456789abcde"
		"f0123456789abcdef\n" },
	{ 2, "https://", "[kernel a]\nurl = http://h.org/f\n" },
	{ 2, "https://", "[kernel a]\nurl = HTTPS://h.org/f\n" },
	{ 2, "https://", "[kernel a]\nurl = file:///etc/passwd\n" },
	{ 2, "https://", "[kernel a]\nurl = https://h.org\n" },
	{ 2, "https://", "[kernel a]\nurl = https:///f\n" },
	{ 2, "https://", "[kernel a]\nurl = https://h.org?f\n" },
	{ 2, "https://", "[kernel a]\nurl = https://h.org/f#g\n" },
	{ 2, "https://", "[kernel a]\nurl = https://u:p@h.org/f\n" },
	{ 2, "https://", "[kernel a]\nurl = https://good.org@h.org/f\n" },
	{ 2, "https://", "[kernel a]\nurl = https://h.org\\@x/f\n" },
	{ 2, "https://", "[kernel a]\nurl = https://h.org/a b\n" },
	{ 2, "https://", "[kernel a]\nurl = https://h.org/a\xc3\xa4\n" },
	{ 2, "https://", "[kernel a]\nurl = https://h.org:99999999/f\n" },
	{ 2, "bytes", "[kernel a]\nsize = 0\n" },
	{ 2, "bytes", "[kernel a]\nsize = -1\n" },
	{ 2, "bytes", "[kernel a]\nsize = 10M\n" },
	{ 2, "bytes", "[kernel a]\nsize = 1073741825\n" },
	{ 2, "bytes", "[kernel a]\nsize = 18446744073709551617\n" },
	{ 2, "yes or no", "[kernel a]\npreferred = maybe\n" },
	{ 2, "one line", "[kernel a]\ndescription = a\tb\033[31m\n" },
	{ 2, "one line", "[kernel a]\ndescription =\n" },
};

static void test_bad(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_catalog_ struct catalog *c = empty();
		char where[40];
		struct err err;

		snprintf(where, sizeof(where), "test, line %u:", bad[i].line);
		if (parse(c, false, bad[i].content, &err) == 0)
			fail_msg("taken: %s", bad[i].content);
		if (!str_starts(err.msg, where) || !strstr(err.msg, bad[i].says) ||
			err.code != ERR_bad_request)
			fail_msg("%s is no '%s … %s' of: %s", err.msg, where, bad[i].says,
				bad[i].content);
		assert_int_equal(c->n, 0);
	}
}

/* libinih would take the rest of a long line for another one. */
static void test_long_line(void **state)
{
	_cleanup_catalog_ struct catalog *c = empty();
	char content[4096] = IMAGE "[kernel a]\ndescription = ";
	size_t n = strlen(content);
	struct err err;

	memset(content + n, 'x', 300);
	strcpy(content + n + 300, " preferred = yes\n");
	assert_int_equal(parse(c, false, content, &err), -1);
	assert_non_null(strstr(err.msg, "test, line 5: the line is longer"));
}

static void test_too_many(void **state)
{
	_cleanup_catalog_ struct catalog *c = empty();
	char content[512];
	struct err err;

	for (int i = 0; i <= CATALOG_ENTRIES; i++) {
		int r;

		snprintf(content, sizeof(content),
			"[image n%d]\nreference = docker.io/a\ndigest = " SHA "\n", i);
		r = parse(c, false, content, &err);
		assert_int_equal(r, i < CATALOG_ENTRIES ? 0 : -1);
	}
	assert_non_null(strstr(err.msg, "more than 512"));
	assert_int_equal(c->n, CATALOG_ENTRIES);
}

/* ---- directories ---- */

struct dirs {
	char root[64], own[80], vendor[80];
};

static void put(const char *dir, const char *name, const char *content, mode_t mode)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(content, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static int setup(void **state)
{
	static struct dirs d;

	strcpy(d.root, "/tmp/test-catalog.XXXXXX");
	assert_non_null(mkdtemp(d.root));
	snprintf(d.own, sizeof(d.own), "%s/own", d.root);
	snprintf(d.vendor, sizeof(d.vendor), "%s/vendor", d.root);
	assert_int_equal(mkdir(d.own, 0755) | mkdir(d.vendor, 0755), 0);
	*state = &d;
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "own/a.conf", "own/b.conf", "own/c.conf", "own/README",
		"vendor/a.conf", "vendor/b.conf", "vendor/c.conf", "own", "vendor", "" };
	struct dirs *d = *state;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char path[200];

		snprintf(path, sizeof(path), "%s/%s", d->root, names[i]);
		(void)remove(path);
	}
	return access(d->root, F_OK) == 0 ? -1 : 0;
}

static struct catalog *load(const struct dirs *d)
{
	struct catalog *c = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(catalog_load(d->own, d->vendor, &c, &err), 0);
	return c;
}

static void test_directories(void **state)
{
	const struct dirs *d = *state;

	if (geteuid() != 0)
		skip();
	put(d->own, "a.conf", "", 0644); /* masks the packages' */
	put(d->own, "b.conf", IMAGE "description = ours\n", 0644);
	put(d->own, "README", "this is no catalog", 0644);
	put(d->vendor, "a.conf", "[image masked]\nbroken", 0644);
	put(d->vendor, "c.conf", IMAGE "description = theirs\n" KERNEL, 0644);

	_cleanup_catalog_ struct catalog *c = load(d);
	assert_int_equal(c->n_problems, 0);
	assert_int_equal(c->n, 2);
	assert_string_equal(get(c, CATALOG_image, "debian-12")->description.s, "ours");
	assert_true(get(c, CATALOG_kernel, "debian-12")->vendor);
	assert_string_equal(get(c, CATALOG_kernel, "debian-12")->file, "c.conf");
	assert_null(get(c, CATALOG_kernel, NULL));
}

static void test_broken_files(void **state)
{
	const struct dirs *d = *state;
	const struct catalog_entry *e;
	struct err err = ERR_INIT;

	if (geteuid() != 0)
		skip();
	put(d->own, "a.conf", "[image x]\nreference = nothing\n", 0644);
	put(d->own, "b.conf", IMAGE, 0666); /* anybody's to write */
	put(d->own, "c.conf", KERNEL, 0644);
	put(d->vendor, "b.conf", KERNEL, 0644); /* replaced by one that is broken */
	put(d->vendor, "c.conf", IMAGE, 0644);

	_cleanup_catalog_ struct catalog *c = load(d);
	assert_int_equal(c->n_problems, 2);
	assert_non_null(strstr(c->problems[0].s, "/own/a.conf, line 2: "));
	assert_non_null(strstr(c->problems[1].s, "b.conf must be a regular file of root's"));
	/* What is in a sound file is found; what may be in another is an error, no "not there". */
	assert_non_null(get(c, CATALOG_kernel, "debian-12"));
	assert_int_equal(catalog_find(c, CATALOG_image, "debian-12", &e, &err), -1);
	assert_non_null(strstr(err.msg, "/own/a.conf, line 2: "));
	assert_int_equal(catalog_find(c, CATALOG_image, "team/tool", &e, &err), 0);
}

static void test_no_directories(void **state)
{
	_cleanup_catalog_ struct catalog *c = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(catalog_load("/nonexistent/a", "/nonexistent/b", &c, &err), 0);
	assert_int_equal(c->n + c->n_problems, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test_setup_teardown(test_directories, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken_files, setup, teardown),
		cmocka_unit_test(test_no_directories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
