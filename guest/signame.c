/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/signame.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>

#include "common/str.h"

/* RTMIN+n or RTMAX-n, as glibc counts them. */
static int realtime(const char *s, int otherwise)
{
	uint64_t n = 0, most = (uint64_t)(SIGRTMAX - SIGRTMIN);
	bool up = str_starts(s, "RTMIN");
	char sign = up ? '+' : '-';

	s += strlen("RTMIN");
	if (*s != '\0' && (*s != sign || !str_to_u64(s + 1, 0, most, &n)))
		return otherwise;
	return up ? SIGRTMIN + (int)n : SIGRTMAX - (int)n;
}

int signame_parse(const char *s, int otherwise)
{
	uint64_t n;

	if (str_to_u64(s, 1, (uint64_t)SIGRTMAX, &n))
		return (int)n;
	if (str_starts(s, "SIG"))
		s += 3;
	if (str_starts(s, "RTMIN") || str_starts(s, "RTMAX"))
		return realtime(s, otherwise);
	for (int i = 1; i < NSIG; i++)
		if (str_eq(sigabbrev_np(i), s))
			return i;
	return otherwise;
}
