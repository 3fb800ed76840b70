/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The length of the well-formed UTF-8 character at p (Unicode, table 3-7), 0 when there is none;
 * *ret is its code point. */
static size_t decode(const unsigned char *p, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n;
	uint32_t c;

	if (p[0] < 0x80) {
		*ret = p[0];
		return 1;
	}
	if (p[0] >= 0xc2 && p[0] < 0xe0)
		n = 2;
	else if (p[0] >= 0xe0 && p[0] < 0xf0)
		n = 3;
	else if (p[0] >= 0xf0 && p[0] < 0xf5)
		n = 4;
	else
		return 0;
	c = p[0] & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret = c;
	return n;
}

static bool harmless(uint32_t c)
{
	bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
	bool bidi = c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
		    (c >= 0x2066 && c <= 0x2069);
	bool separator = c == 0x2028 || c == 0x2029;

	return !control && !bidi && !separator;
}

void text_clean_in_place(char *s)
{
	char *out = s;

	while (*s) {
		uint32_t c = 0;
		size_t n = decode((const unsigned char *)s, &c);

		if (n > 0 && harmless(c)) {
			memmove(out, s, n);
			out += n;
		} else {
			*out++ = '?';
		}
		s += n > 0 ? n : 1;
	}
	*out = '\0';
}

char *text_clean(const char *s)
{
	char *copy = strdup(s);

	if (copy)
		text_clean_in_place(copy);
	return copy;
}

bool text_is_utf8(const char *s)
{
	for (size_t n; *s; s += n) {
		uint32_t c;

		n = decode((const unsigned char *)s, &c);
		if (n == 0)
			return false;
	}
	return true;
}

size_t text_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

const char *text_size(unsigned long long bytes, char buf[32])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	size_t unit = 0;
	unsigned long long tenths = bytes > ~0ULL / 10 ? ~0ULL : bytes * 10;

	if (bytes < 1024) {
		snprintf(buf, 32, "%llu B", bytes);
		return buf;
	}
	while (tenths >= 10240 && unit < 6) {
		tenths /= 1024;
		unit++;
	}
	snprintf(buf, 32, "%llu.%llu %s", tenths / 10, tenths % 10, units[unit]);
	return buf;
}
