/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "banger-imaged/bzimage.h"
#include "common/str.h"
#include "tests/common/kernel_fixture.h"

struct taken {
	uint8_t *p;
	size_t n, cap;
};

static int take(void *ctx, const void *p, size_t n, struct err *err)
{
	struct taken *t = ctx;

	(void)err;
	assert_true(n <= t->cap - t->n);
	memcpy(t->p + t->n, p, n);
	t->n += n;
	return 0;
}

static struct blob make(struct blob *vmlinux, const char *filter, bool sized)
{
	struct blob packed, image;

	*vmlinux = fixture_vmlinux(FIXTURE_RELEASE, 200000);
	packed = fixture_compress(vmlinux, filter);
	image = fixture_bzimage(&packed, (uint32_t)vmlinux->n, sized, FIXTURE_RELEASE);
	free(packed.p);
	return image;
}

static void test_compressions(void **state)
{
	static const char *const filters[] = { "gzip", "bzip2", "lzma", "xz", "lz4", "zstd" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		struct blob vmlinux, image = make(&vmlinux, filters[i], i != 0);
		struct taken t = { malloc(vmlinux.n), 0, vmlinux.n };
		struct err err = ERR_INIT;
		struct bzimage b;

		assert_true(bzimage_is(image.p, image.n));
		assert_int_equal(bzimage_parse(image.p, image.n, &b, &err), 0);
		assert_string_equal(b.version.s, FIXTURE_RELEASE);
		assert_int_equal(b.unpacked_len, vmlinux.n);
		if (bzimage_expand(&b, vmlinux.n, take, &t, &err) < 0)
			fail_msg("%s: %s", filters[i], err.msg);
		assert_int_equal(t.n, vmlinux.n);
		assert_memory_equal(t.p, vmlinux.p, vmlinux.n);
		free(t.p);
		free(image.p);
		free(vmlinux.p);
	}
}

/* One byte (or two) of the header wrong. */
static const struct damage {
	const char *what;
	size_t at;
	uint8_t bytes[4];
	size_t n;
	const char *says;
} damages[] = {
	{ "magic", 0x202, "x", 1, "not a bzImage" },
	{ "old protocol", 0x206, "\x07\x02", 2, "boot protocol" },
	{ "a 32-bit kernel", 0x236, "\0", 1, "not for x86-64" },
	{ "version outside", 0x20e, "\xff\xff", 2, "no version" },
	{ "no version", 0x20e, "\0\0", 2, "no version" },
	{ "empty version", 0x300, " ", 1, "not readable" },
	{ "control character", 0x300, "\x1b[2J", 4, "not readable" },
	{ "version in bytes that are no text", 0x301, "\xff\xfe", 2, "not readable" },
	{ "payload outside", 0x248, "\xff\xff\xff\xff", 4, "truncated" },
	{ "payload too long", 0x24c, "\xff\xff\xff\xff", 4, "truncated" },
	{ "payload of nothing", 0x24c, "\0\0\0\0", 4, "truncated" },
	{ "more setup than file", 0x1f1, "\xff", 1, "truncated" },
};

static void test_damaged_header(void **state)
{
	struct blob vmlinux, image = make(&vmlinux, "xz", true);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		struct blob copy = { malloc(image.n), image.n };
		struct err err = ERR_INIT;
		struct bzimage b;

		memcpy(copy.p, image.p, image.n);
		memcpy(copy.p + damages[i].at, damages[i].bytes, damages[i].n);
		if (bzimage_parse(copy.p, copy.n, &b, &err) == 0)
			fail_msg("%s passed", damages[i].what);
		assert_int_equal(err.code, ERR_bad_input);
		if (!strstr(err.msg, damages[i].says))
			fail_msg("%s: %s", damages[i].what, err.msg);
		free(copy.p);
	}
	free(image.p);
	free(vmlinux.p);
}

static void test_truncated(void **state)
{
	struct blob vmlinux, image = make(&vmlinux, "gzip", false);

	(void)state;
	for (size_t n = 0; n < image.n; n += n < 1100 ? 13 : 997) {
		uint8_t *copy = malloc(n + 1);
		struct err err = ERR_INIT;
		struct bzimage b;

		memcpy(copy, image.p, n);
		assert_int_equal(bzimage_parse(copy, n, &b, &err), -1);
		assert_int_equal(err.code, ERR_bad_input);
		free(copy);
	}
	free(image.p);
	free(vmlinux.p);
}

/* The size behind the payload is a promise: neither more nor less may come. */
static void test_wrong_size(void **state)
{
	struct blob vmlinux, image = make(&vmlinux, "zstd", true);
	struct taken t = { malloc(vmlinux.n), 0, vmlinux.n };
	struct err err = ERR_INIT;
	struct bzimage b;

	(void)state;
	assert_int_equal(bzimage_parse(image.p, image.n, &b, &err), 0);
	b.unpacked_len--;
	assert_int_equal(bzimage_expand(&b, vmlinux.n, take, &t, &err), -1);
	assert_int_equal(err.code, ERR_bad_input);
	t.n = 0;
	b.unpacked_len += 2;
	assert_int_equal(bzimage_expand(&b, vmlinux.n + 1, take, &t, &err), -1);
	assert_non_null(strstr(err.msg, "expands to"));
	assert_int_equal(bzimage_expand(&b, vmlinux.n, take, &t, &err), -1);
	assert_non_null(strstr(err.msg, "more than"));
	free(t.p);
	free(image.p);
	free(vmlinux.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compressions),
		cmocka_unit_test(test_damaged_header),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_wrong_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
