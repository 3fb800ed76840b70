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
bool stop_begun(void);
