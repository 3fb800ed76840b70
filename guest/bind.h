/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdbool.h>

#include "common/err.h"

/*
 * Mounts onto what an image has. The image may be hostile: its names are resolved inside its root
 * (openat2, RESOLVE_IN_ROOT), and the mount goes to the fd that this gave, not to a path.
 */

/* Bind the directory `name` of the tree, with all that is mounted in it, onto the one of the same
 * name in the root. A root without that directory is left as it is. */
int bind_dir(int tree, int root, const char *name, struct err *err);

/* Bind the file `source` of the tree onto `target` of the root, following the root's symlinks.
 * *ret_done is false when it has no such regular file, which is no failure. */
int bind_file(int tree, const char *source, int root, const char *target, bool *ret_done,
	struct err *err);
