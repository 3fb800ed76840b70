/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdint.h>

/* Time since boot, suspended time included. */
uint64_t clock_us(void);
uint64_t clock_ms(void);

/* Set the time of day to `ns` since 1970 when that is later than what the clock says: the host's
 * word was true some moments ago. A clock that cannot be set is logged. */
void clock_advance(uint64_t ns);
