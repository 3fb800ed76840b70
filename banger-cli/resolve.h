/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * References to VMs, images and kernels, for commands that take many: what the daemon itself would
 * take them for. Exact id, exact name of the caller's, of root's, of another's (root sees those),
 * exact digest, then unique prefix of any of them.
 */
#include <sys/types.h>

#include "common/err.h"

struct json_object;

/* The object of `list` (objects with "id", "name" and "owner_uid", perhaps "digest") that
 * `reference` means to the user `uid`, borrowed. Fails with not_found, or bad_request when several
 * match, which the message names. `kind` is for the message. */
int resolve(struct json_object *list, const char *kind, uid_t uid, const char *reference,
	struct json_object **ret, struct err *err);
