/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What a reference means among the images or kernels that somebody sees: exact id, exact name of
 * its own, exact name of root's, exact name of another's (root alone sees those), digest (the
 * newest of them), else a unique prefix of an id or name.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "common/err.h"

struct refs {
	const char *ref;
	uid_t uid;
	int rank; /* of the best so far; 0: none */
	unsigned count;
};

void refs_begin(struct refs *r, uid_t uid, const char *ref);

/* Offer one, oldest first; true when it is the one to remember. `digest` may be NULL. */
bool refs_offer(struct refs *r, const char *id, const char *name, uid_t owner, const char *digest);

/* Fails unless exactly one was found. `what` is "image" or "kernel". */
int refs_end(const struct refs *r, const char *what, struct err *err);
