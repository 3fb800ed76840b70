/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* How fast this host's time stamp counter counts, measured in some 20 ms. */
unsigned tsc_khz(void);
