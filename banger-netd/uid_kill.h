/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "common/err.h"

/* Kill whatever runs under a jail's uid, known or stray, and wait until none of it lives: a child
 * takes that uid and kills all that it may. Fails with timeout when something lives on. */
int uid_kill(uid_t uid, struct err *err);

/* Does anything run under the uid, by /proc? A zombie does not. */
int uid_alive(uid_t uid, bool *ret, struct err *err);
