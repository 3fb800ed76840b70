/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* A time to wait that may be left out; not to wait at all (0) is no less one. All zero: left out.
 */
struct seconds {
	bool given;
	uint32_t n;
};
