/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The TAP of that name in the process's network namespace, with a header of 12 bytes on each
 * packet; made when it is not there and the process may. The fd, or -1 with errno: EBUSY when
 * another process has it. */
int tap_open(const char *name);
