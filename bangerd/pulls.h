/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Which pulls are at work, so that the same one asked for twice is done once. */
#include <stdbool.h>

#include "common/err.h"
#include "common/types.h"

#define PULLS_KEY_MAX 2048

struct pulls;

int pulls_create(struct pulls **ret, struct err *err);
void pulls_destroy(struct pulls *p); /* nobody is in it; NULL is allowed */

/* What came of one. */
struct pulls_outcome {
	vm_id id;	/* of what was made; why.code is ERR_none */
	struct err why; /* else */
};

struct pulls_place {
	struct pulls_entry *entry;
	bool mine; /* the caller does it, and says pulls_end(); else it says pulls_wait() */
};

/* Join what goes by this name (at most PULLS_KEY_MAX - 1 bytes), or begin it. */
int pulls_join(struct pulls *p, const char *key, struct pulls_place *ret, struct err *err);

/* It ended: tell who waits. */
void pulls_end(struct pulls *p, struct pulls_place *place, const struct pulls_outcome *outcome);

/* Until it ends, or cancel_fd is readable, which fails with cancelled. The place is left. */
int pulls_wait(struct pulls *p, struct pulls_place *place, int cancel_fd, struct pulls_outcome *ret,
	struct err *err);
