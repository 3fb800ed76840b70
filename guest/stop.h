/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "guest/loop.h"

/*
 * The end of the machine: the workload is asked to stop, sessions get TERM; when they have ended,
 * or timeout_ms are over, what is left is killed, everything is written out, and the machine is
 * reset. An image's own init may end it before we do. A second call is ignored.
 */
void stop_begin(struct loop *loop, uint32_t timeout_ms);

/*
 * SIGTERM came. Where process 1 is banger's it passes on what it was asked (guest/reaper.h). Where
 * it is the image's own, that is ending the system, and everybody gets the signal: whether to power
 * off or to halt, which a VMM may not notice, we do not wait to see, but reset the machine when
 * nobody but process 1 is left, or before it would kill us too. `sender` is a pid.
 */
void stop_signalled(struct loop *loop, int tree, uint32_t sender);
