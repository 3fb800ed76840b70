/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "common/confine.h"
#include "common/err.h"

/* Leave of the file system only what is beneath the paths, and of TCP nothing (unless `network`),
 * for this thread and what it starts. no_new_privs must be set. A kernel without Landlock is no
 * error: the other walls stand; *ret_abi is its version of the interface, 0 for none. */
int landlock_restrict(
	const struct confine_path *paths, size_t n, bool network, int *ret_abi, struct err *err);
