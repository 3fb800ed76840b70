/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "banger-imaged/deb.h"
#include "common/str.h"
#include "tests/common/kernel_fixture.h"

struct seen {
	unsigned n;
	char last[64];
	uint8_t *content;
	size_t limit;
};

static int visit(void *ctx, const struct deb_file *f, struct err *err)
{
	struct seen *s = ctx;

	s->n++;
	str_copy(s->last, sizeof(s->last), f->path);
	free(s->content);
	s->content = NULL;
	return s->limit ? deb_read(f, s->limit, &s->content, err) : 0;
}

static int walk(const struct blob *deb, struct seen *s, struct err *err)
{
	int fd = fixture_fd(deb), r;

	r = deb_walk(fd, deb->n, visit, s, NULL, err);
	close(fd);
	return r;
}

/* A package of one file (and nothing else), by a filter. */
static struct blob package(const char *path, size_t size, const char *filter, const char *member)
{
	struct fixture_file files[] = { { path, { calloc(1, size + 1), size }, NULL },
		{ NULL, { NULL, 0 }, NULL } };
	struct blob tar = fixture_tar(files), data = tar, deb;

	if (filter)
		data = fixture_compress(&tar, filter);
	deb = fixture_deb(&data, member);
	if (filter)
		free(data.p);
	free(tar.p);
	free(files[0].content.p);
	return deb;
}

static void test_members(void **state)
{
	static const char *const kinds[][2] = { { "xz", "data.tar.xz" }, { "zstd", "data.tar.zst" },
		{ "gzip", "data.tar.gz" }, { NULL, "data.tar" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct blob deb = package("./a/b", 1000, kinds[i][0], kinds[i][1]);
		struct seen s = { .limit = 1000 };
		struct err err = ERR_INIT;

		assert_true(deb_is(deb.p, deb.n));
		if (walk(&deb, &s, &err) < 0)
			fail_msg("%s: %s", kinds[i][1], err.msg);
		assert_int_equal(s.n, 1);
		assert_string_equal(s.last, "a/b");
		assert_non_null(s.content);
		free(s.content);
		free(deb.p);
	}
}

static void test_path_tricks(void **state)
{
	static const char *const bad[] = { "/etc/passwd", "../x", "./../x", "a/../../x", "a/..",
		"..", ".//x/../y", "./boot/../../x" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct blob deb = package(bad[i], 10, "gzip", "data.tar.gz");
		struct err err = ERR_INIT;
		struct seen s = { 0 };

		if (walk(&deb, &s, &err) == 0)
			fail_msg("%s passed", bad[i]);
		assert_int_equal(err.code, ERR_bad_input);
		assert_int_equal(s.n, 0);
		free(deb.p);
	}
}

/* Links are nothing that a kernel's package needs read through: they are not visited. */
static void test_links(void **state)
{
	struct fixture_file files[] = { { "./boot/vmlinuz", { NULL, 0 }, "/etc/shadow" },
		{ NULL, { NULL, 0 }, NULL } };
	struct blob tar = fixture_tar(files), deb = fixture_deb(&tar, "data.tar");
	struct err err = ERR_INIT;
	struct seen s = { 0 };

	(void)state;
	assert_int_equal(walk(&deb, &s, &err), 0);
	assert_int_equal(s.n, 0);
	free(tar.p);
	free(deb.p);
}

static void test_too_large_a_file(void **state)
{
	struct blob deb = package("./a", 1001, "xz", "data.tar.xz");
	struct seen s = { .limit = 1000 };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(walk(&deb, &s, &err), -1);
	assert_int_equal(err.code, ERR_bad_input);
	assert_non_null(strstr(err.msg, "limit"));
	free(s.content);
	free(deb.p);
}

/* A tar header that promises 8 GiB of zeros in a stream that has a good deal more than the limit:
 * what nobody reads is counted too. zstd makes it small; the block repeats. */
static void test_bomb(void **state)
{
	struct blob zeros = { calloc(1, 64 << 20), 64 << 20 }, head, frame, data, deb;
	struct fixture_file files[] = { { "./zeros", { NULL, 0 }, NULL },
		{ NULL, { NULL, 0 }, NULL } };
	struct blob tar = fixture_tar(files);
	struct err err = ERR_INIT;
	struct seen s = { 0 };
	unsigned sum = 0;

	(void)state;
	memcpy(tar.p + 124, "77777777777", 12); /* size: 8 GiB − 1, octal */
	memset(tar.p + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += tar.p[i];
	snprintf((char *)tar.p + 148, 7, "%06o", sum);
	tar.n = 512;
	head = fixture_compress(&tar, "zstd");
	frame = fixture_compress(&zeros, "zstd");
	data = (struct blob){ malloc(head.n + 20 * frame.n), head.n + 20 * frame.n };
	memcpy(data.p, head.p, head.n);
	for (size_t i = 0; i < 20; i++)
		memcpy(data.p + head.n + i * frame.n, frame.p, frame.n);
	deb = fixture_deb(&data, "data.tar.zst");
	assert_int_equal(walk(&deb, &s, &err), -1);
	assert_int_equal(err.code, ERR_bad_input);
	if (!strstr(err.msg, "expands to more than"))
		fail_msg("%s", err.msg);
	free(zeros.p);
	free(tar.p);
	free(head.p);
	free(frame.p);
	free(data.p);
	free(deb.p);
}

static void test_truncated(void **state)
{
	struct blob deb = package("./a/b", 5000, "xz", "data.tar.xz");

	(void)state;
	for (size_t n = 0; n < deb.n - 1; n += 1 + deb.n / 60) {
		struct blob cut = { deb.p, n };
		struct seen s = { .limit = 5000 };
		struct err err = ERR_INIT;

		if (walk(&cut, &s, &err) == 0)
			fail_msg("cut at %zu of %zu passed", n, deb.n);
		assert_int_equal(err.code, ERR_bad_input);
		free(s.content);
	}
	free(deb.p);
}

static void test_strange_members(void **state)
{
	static const char *const bad[] = { "control.tar.xz", "_ignored", "data.cpio" };
	struct err err = ERR_INIT;
	struct seen s = { 0 };
	struct blob deb;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		deb = package("./a", 10, "xz", bad[i]);
		assert_int_equal(walk(&deb, &s, &err), -1);
		assert_int_equal(err.code, ERR_bad_input);
		assert_non_null(strstr(err.msg, "no data.tar"));
		free(deb.p);
	}
	deb = package("./a", 10, "xz", "data.tar.xz");
	deb.p[8 + 60] = '3'; /* the format's version */
	assert_int_equal(walk(&deb, &s, &err), -1);
	assert_non_null(strstr(err.msg, "format 2"));
	free(deb.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_path_tricks),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_too_large_a_file),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_strange_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
