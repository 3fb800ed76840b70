/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* "Did you mean": the known word that a mistyped one is nearest to. */

struct suggestion {
	const char *word; /* what was typed */
	const char *best; /* NULL: nothing is near enough */
	unsigned distance;
};

/* Consider one more known word; it must live as long as the suggestion. */
void suggest(struct suggestion *s, const char *known);
