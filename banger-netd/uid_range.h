/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

/*
 * Fails with bad_request when one of the ids base … base + count - 1 is somebody's: named in the
 * files passwd or group, or within a range of subuid or subgid, of directory `etc` (read here
 * rather than through NSS: netd loads no modules). Also when the range holds ids below 65536 or
 * ends beyond 2^32 - 2. Files that are absent are fine.
 */
int uid_range_check(const char *etc, uid_t base, uint32_t count, struct err *err);
