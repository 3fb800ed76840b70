/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

/* Kernel device events, for waiting on a device without polling for it. Open before the driver is
 * loaded, so that no event is missed. */
int uevent_open(int *ret_fd, struct err *err);

/* Wait until found(ctx) says true: it is asked at once, and after each burst of events. False when
 * timeout_ms have passed. */
bool uevent_wait(int fd, bool (*found)(void *ctx), void *ctx, int timeout_ms);
