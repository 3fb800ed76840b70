/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Finds, in what a guest writes to its console, the last words of a kernel that powered off or
 * halted (kernel/reboot.c of Linux). Anybody who may write there can say them: they are a reason
 * to look, no proof. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HALT_LINE_MAX 128

/* Zeroed at the beginning. */
struct halt_words {
	char line[HALT_LINE_MAX]; /* the line so far */
	size_t n;		  /* HALT_LINE_MAX: it is longer, and not looked at */
};

/* The next n bytes; true when a line that they end is such a one. */
bool halt_words_feed(struct halt_words *h, const uint8_t *p, size_t n);
