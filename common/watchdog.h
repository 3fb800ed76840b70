/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A helper that does not come back from a request (a device that hangs, a lock in the kernel) would
 * hold every VM's operations for ever, and nobody but root can end it. So it ends itself: the
 * suite follows, is started again and puts things right, while VMs go on. alarm(2): the signal's
 * default action needs nothing of the process.
 */
#include <unistd.h>

#include "common/failpoint.h"

/* Seconds for one request: more than the sum of the waits that it may take. launch's, which netd
 * waits for, is the shorter one. */
#ifdef BANGER_FAILPOINTS
#define WATCHDOG_NETD	5
#define WATCHDOG_LAUNCH 4
#define WATCHDOG_IMAGED 5
#else
#define WATCHDOG_NETD	90
#define WATCHDOG_LAUNCH 75
#define WATCHDOG_IMAGED 30
#endif

static inline void watchdog_begin(unsigned seconds)
{
#ifdef BANGER_FAILPOINTS
	/* Where tests run on a machine that is emulated, all takes longer. */
	seconds *= failpoint_patience();
#endif
	alarm(seconds);
}

static inline void watchdog_end(void)
{
	alarm(0);
}
