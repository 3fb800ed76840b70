/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/utf8.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static bool is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* The length of the sequence at s (n bytes are there), 1 to 4; 0 when it is not one. RFC 3629,
 * section 4: the second byte's range depends on the first. */
static size_t sequence(const char *s, size_t n)
{
	const unsigned char *u = (const unsigned char *)s;
	unsigned char low = 0x80, high = 0xbf;

	if (n == 0)
		return 0;
	if (u[0] < 0x80)
		return 1;
	if (u[0] < 0xc2 || u[0] > 0xf4)
		return 0;
	if (u[0] < 0xe0)
		return n >= 2 && is_tail(u[1]) ? 2 : 0;
	if (u[0] == 0xe0)
		low = 0xa0;
	else if (u[0] == 0xed)
		high = 0x9f;
	else if (u[0] == 0xf0)
		low = 0x90;
	else if (u[0] == 0xf4)
		high = 0x8f;
	if (n < 3 || u[1] < low || u[1] > high || !is_tail(u[2]))
		return 0;
	if (u[0] < 0xf0)
		return 3;
	return n >= 4 && is_tail(u[3]) ? 4 : 0;
}

bool utf8_valid(const char *s, size_t n)
{
	for (size_t i = 0, len; i < n; i += len) {
		len = sequence(s + i, n - i);
		if (len == 0)
			return false;
	}
	return true;
}

char *utf8_repair(const char *s, size_t n)
{
	char *dst, *at;

	if (n > SIZE_MAX / 3 - 1)
		return NULL;
	dst = at = malloc(n * 3 + 1);
	if (!dst)
		return NULL;
	for (size_t i = 0; i < n;) {
		size_t len = sequence(s + i, n - i);

		if (len == 0) {
			memcpy(at, "\xef\xbf\xbd", 3);
			at += 3;
			i++;
			continue;
		}
		memcpy(at, s + i, len);
		at += len;
		i += len;
	}
	*at = '\0';
	return dst;
}
