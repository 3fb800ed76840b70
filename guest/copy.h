/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <sys/types.h>

#include "common/err.h"

/* Whose the copies are to be. */
struct copy_owner {
	uid_t uid;
	gid_t gid;
};

/*
 * Copy what is in the directory `from` into the directory `to`, and at last the directory's own
 * mode, owner, times and extended attributes: kinds, holes and links as they are, but a file with
 * several names becomes several. `owner` NULL: owners too. Mounts below `from` are gone into. No
 * name is followed through a link. Fails with bad_input when it is nested too deeply.
 */
int copy_tree(int from, int to, const struct copy_owner *owner, struct err *err);

/* Remove the directory `name` of `dir` and all that is in it; none is fine. */
int copy_remove(int dir, const char *name, struct err *err);
