/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* From root to the daemon's user, for good, and into confinement. */
#include <sys/types.h>

#include "common/err.h"

struct settings;

/* All ids, no groups, no capability in any set. Fails when any of root's would come back. */
int drop_to(uid_t uid, gid_t gid, struct err *err);

/* The last step before anything is served; before any thread. */
int drop_confine(const struct settings *settings, struct err *err);
