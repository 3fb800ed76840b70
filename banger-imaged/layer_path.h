/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Names of entries, one component at a time. No name is ever resolved through a symlink. */
#include <stdbool.h>
#include <stddef.h>

#include "banger-imaged/tree.h"
#include "common/err.h"

/* Refuse names that are empty, absolute, leave the root, or have a component that no Linux file
 * system takes. `whiteouts`: nor may a directory on the way be named like a whiteout. */
int layer_path_check(const char *path, bool whiteouts, struct err *err);

/* The next component of a checked path ("." and doubled slashes passed over), *path moved behind
 * it; false at the end. */
bool layer_path_next(const char **path, const char **ret, size_t *ret_len);

/* True when nothing follows but slashes and dots. */
bool layer_path_is_last(const char *path);

/* What stands at a checked path, *ret NULL when nothing does. Fails when something on the way is
 * no directory. */
int layer_path_find(const struct tree *t, const char *path, struct node **ret, struct err *err);
