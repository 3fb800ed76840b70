/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A guest's serial port whose output is limited (PUT /serial, rate_limiter): a bucket of `size`
 * bytes that fills again in `refill_time` ms, `one_time_burst` more at first. What is beyond is
 * dropped, as Firecracker does. Input comes from stdin.
 */
#include <stdbool.h>

#include "common/err.h"
#include "tests/fake/machine.h"

bool serial_is_limited(const struct machine *m);

/* The guest's end of the port, the caller's: a socket. What comes out goes to stdout, or where
 * serial_out_path says. */
int serial_start(const struct machine *m, int *ret_guest, struct err *err);
