/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

/*
 * Mounts onto what an image has. The image may be hostile: its names are resolved inside its root
 * (openat2, RESOLVE_IN_ROOT), and the mount goes to the fd that this gave, not to a path.
 */

/* Open a name of the root by openat2(2)'s flags; -1 with errno. */
int bind_open(int root, const char *name, uint64_t flags);

/* An errno of that which says that the image simply has no such thing. */
bool bind_is_absence(int e);

/* Bind `source` of the tree onto what the fd `target` is. `flags`: AT_RECURSIVE, or 0. */
int bind_onto(int tree, const char *source, unsigned flags, int target, struct err *err);

/* Bind the directory `name` of the tree, with all that is mounted in it, onto the one of the same
 * name in the root. A root without that directory is left as it is. */
int bind_dir(int tree, int root, const char *name, struct err *err);

/* Bind the file `source` of the tree onto `target` of the root, following the root's symlinks.
 * *ret_done is false when it has no such regular file, which is no failure. */
int bind_file(int tree, const char *source, int root, const char *target, bool *ret_done,
	struct err *err);
