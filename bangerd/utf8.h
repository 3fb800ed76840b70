/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* UTF-8 as RFC 3629 has it: shortest forms, no surrogates, nothing above U+10FFFF. */
#include <stdbool.h>
#include <stddef.h>

bool utf8_valid(const char *s, size_t n);

/* A heap copy of s, NUL-terminated, with U+FFFD in the place of each bad byte; NULL without memory.
 */
char *utf8_repair(const char *s, size_t n);
