/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool str_copy(char *dst, size_t cap, const char *src)
{
	size_t n = strlen(src);

	if (n >= cap) {
		if (cap > 0)
			dst[0] = '\0';
		return false;
	}
	memcpy(dst, src, n + 1);
	return true;
}

bool str_format(char *dst, size_t cap, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(dst, cap, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < cap)
		return true;
	if (cap > 0)
		dst[0] = '\0';
	return false;
}

bool str_eq(const char *a, const char *b)
{
	if (!a || !b)
		return a == b;
	return strcmp(a, b) == 0;
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && strcmp(s + n - m, suffix) == 0;
}

/* The digits at *s as a number; *s moves behind them. False when there are none or too many. */
static bool digits(const char **s, uint64_t *ret)
{
	const char *p = *s;
	uint64_t v = 0;

	if (*p < '0' || *p > '9' || (p[0] == '0' && p[1] >= '0' && p[1] <= '9'))
		return false;
	for (; *p >= '0' && *p <= '9'; p++)
		if (ckd_mul(&v, v, (uint64_t)10) || ckd_add(&v, v, (uint64_t)(*p - '0')))
			return false;
	*s = p;
	*ret = v;
	return true;
}

bool str_to_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t v;

	if (!digits(&s, &v) || *s != '\0' || v < min || v > max)
		return false;
	*ret = v;
	return true;
}

bool str_to_size(const char *s, uint64_t *ret_bytes)
{
	static const char units[] = "KMGT";
	const char *unit;
	uint64_t v;

	if (!digits(&s, &v) || v == 0)
		return false;
	if (*s != '\0' && *s != 'B') {
		unit = strchr(units, *s >= 'a' && *s <= 'z' ? *s - 'a' + 'A' : *s);
		if (!unit)
			return false;
		for (const char *u = units; u <= unit; u++)
			if (ckd_mul(&v, v, (uint64_t)1024))
				return false;
		s++;
		if (*s == 'i')
			s++;
	}
	if (*s == 'B')
		s++;
	if (*s != '\0')
		return false;
	*ret_bytes = v;
	return true;
}

static bool printable(unsigned char c, bool utf8)
{
	return (c >= 0x20 && c < 0x7f) || (utf8 && c >= 0x80);
}

bool str_printable(const char *s, bool utf8)
{
	for (; *s; s++)
		if (!printable((unsigned char)*s, utf8))
			return false;
	return true;
}

void str_sanitize(char *s)
{
	for (; *s; s++)
		if (!printable((unsigned char)*s, true))
			*s = '?';
}
