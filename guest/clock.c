/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/clock.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "common/log.h"

#define NS_PER_S 1000000000

uint64_t clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t clock_ms(void)
{
	return clock_us() / 1000;
}

void clock_advance(uint64_t ns)
{
	struct timespec now, t = { (time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S) };

	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec > t.tv_sec || (now.tv_sec == t.tv_sec && now.tv_nsec >= t.tv_nsec))
		return;
	if (clock_settime(CLOCK_REALTIME, &t) < 0)
		log_warning("cannot set the clock: %s", strerror(errno));
}
