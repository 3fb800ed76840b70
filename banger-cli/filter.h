/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A guest's console text made safe for the user's terminal: of all control characters only tab,
 * newline, carriage return and backspace pass, of escape sequences only colours (SGR, ECMA-48
 * 8.3.117). */
#include <stdbool.h>
#include <stddef.h>

/* A sequence longer than this is no colour. */
#define FILTER_HELD 32

struct filter {
	bool colours; /* let them pass */
	int state;
	char held[FILTER_HELD];
	size_t n_held;
};

void filter_init(struct filter *f, bool colours);

/* n bytes through the filter; `out` has room for n + FILTER_HELD. How many come out. What is not
 * complete waits for the next call. */
size_t filter_run(struct filter *f, const char *in, size_t n, char *out);
