/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <limits.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/err.h"

/*
 * Users as the image's own /etc/passwd and /etc/group have them: no NSS, which would load code of
 * the image into the agent. Lines that are not well-formed are skipped.
 */
#define USER_GROUPS_MAX 256

struct user {
	uid_t uid;
	gid_t gid;
	gid_t groups[USER_GROUPS_MAX]; /* gid first, as login does it */
	size_t n_groups;
	char name[64];	      /* "" when the uid has no entry */
	char home[PATH_MAX];  /* "/" likewise */
	char shell[PATH_MAX]; /* "" likewise */
};

/*
 * `spec` is USER[:GROUP], each a name or a number (OCI image-spec, config.md, "User"); "" is root.
 * A name is looked for before a number. A number needs no entry; its group is then 0, and "root"
 * is 0 even when nothing says so. A given group stands alone; without one the user's groups are
 * those of passwd and group. `passwd` and `group` are the files' texts, NULL for one that is
 * missing. Fails with not_found for names that are nobody's, bad_request for what is neither.
 */
int user_lookup(
	const char *spec, const char *passwd, const char *group, struct user *ret, struct err *err);

/* The same with the files of the root that the fd is, or of this process's root. */
int user_find_in(int root, const char *spec, struct user *ret, struct err *err);
int user_find(const char *spec, struct user *ret, struct err *err);
