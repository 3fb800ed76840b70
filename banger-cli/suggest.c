/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/suggest.h"

#include <stddef.h>
#include <string.h>

#include "common/str.h"

/* Longer words are nobody's typing mistake for one of ours. */
#define WORD_MAX 31

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Edit distance where a swap of neighbours is one step (optimal string alignment). */
static unsigned distance(const char *a, size_t n, const char *b, size_t m)
{
	unsigned d[WORD_MAX + 1][WORD_MAX + 1];

	for (size_t i = 0; i <= n; i++)
		d[i][0] = (unsigned)i;
	for (size_t j = 0; j <= m; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++)
		for (size_t j = 1; j <= m; j++) {
			unsigned differ = a[i - 1] != b[j - 1];

			d[i][j] = least(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + differ);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
				d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	return d[n][m];
}

void suggest(struct suggestion *s, const char *known)
{
	size_t n = strlen(s->word), m = strlen(known), longer = n > m ? n : m;
	unsigned d;

	if (n == 0 || m == 0 || longer > WORD_MAX)
		return;
	d = distance(s->word, n, known, m);
	/* A third of the word may be wrong; a beginning of a known word is near it, too. */
	if (d > (longer + 2) / 3 && !(n >= 2 && str_starts(known, s->word)))
		return;
	if (!s->best || d < s->distance) {
		s->best = known;
		s->distance = d;
	}
}
