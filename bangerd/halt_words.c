/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/halt_words.h"

#include <string.h>

#include "common/str.h"

static const char *const last_words[] = {
	"reboot: Power down",
	"reboot: System halted",
	"reboot: Power off not available: System halted instead",
};

/* "[   12.345678] WORDS", or the words alone, where the kernel prints no times. */
static bool is_last(const char *line, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(last_words); i++) {
		size_t words = strlen(last_words[i]);

		if (n < words || memcmp(line + n - words, last_words[i], words) != 0)
			continue;
		if (n == words || (line[0] == '[' && n >= words + 2 &&
					  memcmp(line + n - words - 2, "] ", 2) == 0))
			return true;
	}
	return false;
}

bool halt_words_feed(struct halt_words *h, const uint8_t *p, size_t n)
{
	bool found = false;

	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\n') {
			while (h->n > 0 && h->n < HALT_LINE_MAX && h->line[h->n - 1] == '\r')
				h->n--;
			found |= h->n < HALT_LINE_MAX && is_last(h->line, h->n);
			h->n = 0;
		} else if (h->n < HALT_LINE_MAX) {
			h->line[h->n++] = (char)p[i];
		}
	}
	return found;
}
