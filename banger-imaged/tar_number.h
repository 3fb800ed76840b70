/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Numbers as tar streams have them. All are false for what is no number, or does not fit: nothing
 * is read "as far as it goes". */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A header's field (POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar's base 256): octal
 * digits between blanks and NULs, none at all being 0, or two's complement behind a set bit. */
bool tar_number_field(const uint8_t *p, size_t n, int64_t *ret);

/* Decimal digits and nothing else. */
bool tar_number_decimal(const char *s, uint64_t *ret);

/* A pax time: seconds with a sign and a fraction; *ret_ns is what is to be added to *ret_s. */
bool tar_number_time(const char *s, int64_t *ret_s, uint32_t *ret_ns);
