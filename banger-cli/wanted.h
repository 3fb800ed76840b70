/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Whether the image or kernel that a VM is to have is here. */
#include <stdbool.h>

#include "banger-cli/client.h"
#include "common/err.h"

enum wanted { WANTED_image, WANTED_kernel };

/*
 * 1: `ref` is the id, name, digest, or unique prefix of one. 0: it is not, and *ret_why says so.
 * With may_pull it is not either when it is but the beginning of a name, and a catalog has one of
 * exactly this name: that is what is meant.
 */
int wanted_is_here(struct client *c, enum wanted what, const char *ref, bool may_pull,
	struct err *ret_why, struct err *err);
