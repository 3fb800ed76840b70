/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/tsc.h"

#include <stdint.h>
#include <time.h>
#include <x86intrin.h>

#define SPAN_NS 20000000
/* Between two readings of the counter, when nothing came in between. */
#define QUICK 20000
#define TRIES 100

struct reading {
	uint64_t ticks, ns;
};

static struct reading take(void)
{
	struct reading r = { 0 };

	for (int i = 0; i < TRIES; i++) {
		struct timespec t;
		uint64_t before = __rdtsc();

		clock_gettime(CLOCK_MONOTONIC_RAW, &t);
		r.ticks = __rdtsc();
		r.ns = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
		if (r.ticks - before < QUICK)
			break;
	}
	return r;
}

unsigned tsc_khz(void)
{
	const struct timespec span = { 0, SPAN_NS };
	struct reading a = take(), b;

	nanosleep(&span, NULL);
	b = take();
	return (unsigned)((b.ticks - a.ticks) * 1000000 / (b.ns - a.ns));
}
