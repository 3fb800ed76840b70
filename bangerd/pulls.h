/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Which pulls are at work, so that the same one asked for twice is done once. */
#include <stdbool.h>

#include "common/err.h"
#include "common/types.h"

#define PULLS_KEY_MAX 2048

struct call;
struct pulls;

int pulls_create(struct pulls **ret, struct err *err);
void pulls_destroy(struct pulls *p); /* nobody is in it; NULL is allowed */

/* Do what goes by this name (at most PULLS_KEY_MAX - 1 bytes), or wait for who does it already, and
 * share what came of it; how that one failed is shared too, unless it was cancelled or had no
 * right: then this one is done. `pull` says the id of what it made. 1 when it was called, 0 when
 * another's was waited for: its id is *ret_others. Fails with cancelled when the call is cancelled
 * meanwhile. */
int pulls_once(struct call *call, const char *key,
	int (*pull)(void *ctx, vm_id *ret, struct err *err), void *ctx, vm_id *ret_others,
	struct err *err);
