/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/halt_words: a kernel's last words, however they arrive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bangerd/halt_words.h"
#include "common/str.h"

static const struct {
	const char *text;
	bool found;
} rows[] = {
	{ "[    7.209628] reboot: Power down\r\n", true },
	{ "[    7.209628] reboot: Power down\n", true },
	{ "[    7.209628][    T1] reboot: System halted\r\n", true },
	{ "reboot: System halted\r\n", true },
	{ "[ 1.0] reboot: Power off not available: System halted instead\r\n", true },
	{ "before\r\n[ 1.0] reboot: Power down\r\nafter\r\n", true },
	{ "[ 1.0] reboot: Power down\r\r\n", true },
	{ "[ 1.0] reboot: Power down", false },
	{ "[ 1.0] reboot: Restarting system\r\n", false },
	{ "[ 1.0] reboot: Power down soon\r\n", false },
	{ "he said: reboot: Power down\r\n", false },
	{ "$ grep 'reboot: Power down\r\n", false },
	{ "(1.0] reboot: Power down\r\n", false },
	{ "Power down\r\n", false },
	{ "\n\r\n\r", false },
};

/* Whether it is found when it comes in pieces of `step` bytes. */
static bool feed(const char *text, size_t step)
{
	struct halt_words h = { 0 };
	bool found = false;

	for (size_t i = 0, n = strlen(text); i < n; i += step)
		found |=
			halt_words_feed(&h, (const uint8_t *)text + i, n - i < step ? n - i : step);
	return found;
}

static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (size_t step = 1; step < 64; step++)
			if (feed(rows[i].text, step) != rows[i].found)
				fail_msg("row %zu, in pieces of %zu", i, step);
}

/* A line may be endless; the one after it is looked at again. */
static void test_long_lines(void **state)
{
	static const char words[] = "[ 1.0] reboot: Power down\r\n";
	struct halt_words h = { 0 };
	uint8_t junk[4096];

	(void)state;
	memset(junk, 'x', sizeof(junk));
	for (int i = 0; i < 100; i++)
		assert_false(halt_words_feed(&h, junk, sizeof(junk)));
	assert_false(halt_words_feed(&h, (const uint8_t *)words, sizeof(words) - 1));
	assert_true(halt_words_feed(&h, (const uint8_t *)words, sizeof(words) - 1));
	memset(junk, '\r', sizeof(junk));
	assert_false(halt_words_feed(&h, junk, sizeof(junk)));
	assert_false(halt_words_feed(&h, (const uint8_t *)"\n", 1));
	assert_true(halt_words_feed(&h, (const uint8_t *)words, sizeof(words) - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_long_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
