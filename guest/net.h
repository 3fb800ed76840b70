/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdint.h>

#include "common/err.h"
#include "common/types.h"

/* Bring the loopback interface up. */
int net_loopback(struct err *err);

/* Give the interface with the MAC `wanted` its address, bring it up, and make `gateway` (unless it
 * is 0) the default route. Fails with not_found when no interface has the MAC. */
int net_configure(
	int tree, mac wanted, ipv4 address, uint8_t prefix, ipv4 gateway, struct err *err);
