/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hostile text on its way to a terminal: names and messages, and a guest's console. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "banger-cli/filter.h"
#include "banger-cli/text.h"
#include "common/str.h"

static void test_clean(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "", "" }, { "web-1", "web-1" },
		{ "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
			"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80" },
		{ "a\033[31mb", "a?[31mb" }, { "a\nb\rc\td", "a?b?c?d" }, { "a\x7f", "a?" },
		{ "a\xc2\x9b"
		  "31m",
			"a?31m" }, /* C1 CSI */
		{ "a\x9b"
		  "31m",
			"a?31m" },		/* the same as a bare byte */
		{ "\xc0\xaf", "??" },		/* overlong */
		{ "\xe0\x80\xaf", "???" },	/* overlong */
		{ "\xed\xa0\x80", "???" },	/* surrogate */
		{ "\xf4\x90\x80\x80", "????" }, /* above U+10FFFF */
		{ "\xe2\x82", "??" },		/* cut short */
		{ "abc\xe2\x80\xae"
		  "fdp",
			"abc?fdp" },			/* right-to-left override */
		{ "\xe2\x81\xa6x\xe2\x81\xa9", "?x?" }, /* isolates */
		{ "\xe2\x80\xa8", "?" },		/* line separator */
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *clean = text_clean(rows[i].in);

		assert_string_equal(clean, rows[i].out);
		assert_true(text_is_utf8(clean));
		free(clean);
	}
}

static void test_width(void **state)
{
	assert_int_equal(text_width(""), 0);
	assert_int_equal(text_width("abc"), 3);
	assert_int_equal(text_width("gr\xc3\xbc\xc3\x9f"), 4);
}

static void test_size(void **state)
{
	static const struct {
		unsigned long long bytes;
		const char *text;
	} rows[] = {
		{ 0, "0 B" },
		{ 1023, "1023 B" },
		{ 1024, "1.0 KiB" },
		{ 1536, "1.5 KiB" },
		{ 1048575, "1023.9 KiB" },
		{ 1048576, "1.0 MiB" },
		{ 8ULL << 30, "8.0 GiB" },
	};
	char buf[32];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(text_size(rows[i].bytes, buf), rows[i].text);
	assert_true(strlen(text_size(~0ULL, buf)) < 16);
}

/* The console text `in`, filtered, fed `step` bytes at a time. */
static void filtered(bool colours, const char *in, size_t step, const char *expected)
{
	struct filter f;
	char out[512];
	size_t m = 0, n = strlen(in);

	filter_init(&f, colours);
	for (size_t at = 0; at < n; at += step)
		m += filter_run(&f, in + at, n - at < step ? n - at : step, out + m);
	out[m] = '\0';
	assert_string_equal(out, expected);
}

static void test_filter(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "plain\r\n\ttext\b", "plain\r\n\ttext\b" },
		{ "\033[1;31mred\033[0m", "\033[1;31mred\033[0m" },
		{ "\033[m", "\033[m" },
		{ "\033[2J\033[Hcleared", "cleared" },
		{ "\033[?25lhidden", "hidden" },
		{ "\033[>4mx", "x" },	      /* private: not a colour */
		{ "\033]0;title\007x", "x" }, /* OSC to BEL */
		{ "\033]52;c;cm0=\033\\x", "x" },
		{ "\033]0;no end\nnext", "\nnext" },
		{ "\033Ptmux;x\033\\y", "y" },
		{ "\033cx", "x" }, /* RIS */
		{ "\033(0x", "x" },
		{ "\a\005\016x\x7f", "x" },
		{ "\xc2\x9b"
		  "31mx",
			"31mx" },
		{ "\xc2\xa9 \xc3\xbc", "\xc2\xa9 \xc3\xbc" },
		{ "\033[31", "" },
		{ "\033[3\n1m", "\n1m" },
		{ "\033[1111111111111111111111111111111111111111mx", "x" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (size_t step = 1; step < 64; step++)
			filtered(true, rows[i].in, step, rows[i].out);
	filtered(false, "\033[1;31mred\033[0m", 100, "red");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_width),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_filter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
