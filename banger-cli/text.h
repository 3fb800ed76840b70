/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Text from the daemon, from images and from guests on its way to a terminal: names, messages and
 * addresses that others chose.
 */
#include <stdbool.h>
#include <stddef.h>

/* A heap copy of s with what could drive a terminal or deceive its reader replaced by '?': control
 * characters (C0, DEL, C1), what is not UTF-8, and the characters that reorder text (Unicode's
 * Bidi_Control, UAX #9). NULL when memory is out; the caller frees. */
char *text_clean(const char *s);

/* The same in place. */
void text_clean_in_place(char *s);

bool text_is_utf8(const char *s);

/* Columns of cleaned text: one for each character. */
size_t text_width(const char *s);

/* "1.2 GiB" into buf; returns it. */
const char *text_size(unsigned long long bytes, char buf[32]);
