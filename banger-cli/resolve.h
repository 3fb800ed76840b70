/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* References to VMs, images and kernels: exact id, exact name, then unique prefix of either. */
#include "common/err.h"

struct json_object;

/* The object of `list` (objects with "id" and "name", perhaps "digest") that `reference` means,
 * borrowed. Fails with not_found, or bad_request when several match. `kind` is for the message. */
int resolve(struct json_object *list, const char *kind, const char *reference,
	struct json_object **ret, struct err *err);
