/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/firecracker_version.h"

#include <string.h>

#include "common/str.h"

#define NUMBER_MAX 9999

/* What stands before one of `ends`, as a number; the place behind it, or NULL. */
static const char *number(const char *s, const char *ends, unsigned *ret)
{
	size_t n = strcspn(s, ends);
	char digits[8];
	uint64_t v;

	if (n >= sizeof(digits))
		return NULL;
	memcpy(digits, s, n);
	digits[n] = '\0';
	if (!str_to_u64(digits, 0, NUMBER_MAX, &v))
		return NULL;
	*ret = (unsigned)v;
	return s + n;
}

bool firecracker_version_parse(const char *s, struct firecracker_version *ret)
{
	struct firecracker_version v;

	s = number(s, ".", &v.major);
	if (!s || *s != '.')
		return false;
	s = number(s + 1, ".", &v.minor);
	if (!s || *s != '.')
		return false;
	s = number(s + 1, "-", &v.patch);
	if (!s)
		return false;
	*ret = v;
	return true;
}

bool firecracker_version_least(const struct firecracker_version *v, unsigned major, unsigned minor)
{
	return v->major > major || (v->major == major && v->minor >= minor);
}
