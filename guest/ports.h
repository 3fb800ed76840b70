/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

/* Ports are named by the VMM: "banger.0" is control, "banger.K" the lease K. The name reaches
 * sysfs a moment after the port. */
#define PORTS_MAX 32

/* Open port k, O_NONBLOCK. Fails with not_found when the VMM gave no such port (yet), busy when it
 * is open already. */
int ports_open(int tree, unsigned k, int *ret_fd, struct err *err);

/* How many ports with k > 0 there are. */
uint8_t ports_count(int tree);
