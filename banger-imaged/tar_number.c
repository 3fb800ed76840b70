/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/tar_number.h"

#include "common/str.h"

#define NS_PER_S 1000000000U

/* The first bit is the mark, the second the sign. */
static bool base_256(const uint8_t *p, size_t n, int64_t *ret)
{
	uint64_t v = p[0] & 0x40 ? UINT64_MAX << 6 : 0;
	bool negative = p[0] & 0x40;

	v |= p[0] & 0x3f;
	for (size_t i = 1; i < n; i++) {
		/* What is shifted out, and the sign's place, must be the sign. */
		if (v >> 55 != (negative ? 0x1ff : 0))
			return false;
		v = v << 8 | p[i];
	}
	*ret = (int64_t)v;
	return true;
}

bool tar_number_field(const uint8_t *p, size_t n, int64_t *ret)
{
	int64_t v = 0;
	size_t i = 0;

	if (p[0] & 0x80)
		return base_256(p, n, ret);
	while (i < n && p[i] == ' ')
		i++;
	for (; i < n && p[i] >= '0' && p[i] <= '7'; i++)
		v = v << 3 | (p[i] - '0'); /* at most 12 digits */
	for (; i < n; i++)
		if (p[i] != ' ' && p[i] != '\0')
			return false;
	*ret = v;
	return true;
}

static bool digits(const char **s, uint64_t *ret)
{
	uint64_t v = 0;
	const char *p = *s;

	for (; *p >= '0' && *p <= '9'; p++)
		if (ckd_mul(&v, v, 10U) || ckd_add(&v, v, (unsigned)(*p - '0')))
			return false;
	if (p == *s)
		return false;
	*s = p;
	*ret = v;
	return true;
}

bool tar_number_decimal(const char *s, uint64_t *ret)
{
	uint64_t v = 0;

	if (!digits(&s, &v) || *s != '\0')
		return false;
	*ret = v;
	return true;
}

bool tar_number_time(const char *s, int64_t *ret_s, uint32_t *ret_ns)
{
	uint32_t ns = 0, unit = NS_PER_S / 10;
	bool negative = *s == '-';
	uint64_t v = 0;

	s += negative;
	if (!digits(&s, &v) || v > INT64_MAX)
		return false;
	if (*s == '.')
		for (s++; *s >= '0' && *s <= '9'; s++, unit /= 10)
			ns += unit * (uint32_t)(*s - '0');
	if (*s != '\0')
		return false;
	*ret_s = negative ? -(int64_t)v : (int64_t)v;
	*ret_ns = ns;
	if (negative && ns > 0) {
		*ret_s = -(int64_t)v - 1;
		*ret_ns = NS_PER_S - ns;
	}
	return true;
}
