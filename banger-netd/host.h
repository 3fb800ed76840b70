/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the host offers. */
#include <stdbool.h>
#include <stdint.h>

#include "common/enums.h"
#include "common/err.h"

/* The TSC's frequency: rdtsc against CLOCK_MONOTONIC_RAW from host_tsc_start() on, for at least
 * 100 ms (it waits for what is missing). */
struct host_tsc {
	uint64_t ticks, ns; /* at the start */
	uint32_t khz;	    /* once measured */
};

void host_tsc_start(struct host_tsc *t);
uint32_t host_tsc_khz(struct host_tsc *t);

bool host_have_tun(void);

/* /proc/sys/kernel/random/boot_id, without its newline. */
int host_boot_id(char ret[37], struct err *err);
