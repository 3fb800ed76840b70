/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <limits.h>

#include "common/err.h"

/* What PATH is when nobody says. */
#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/*
 * The program that `name` means to this process: itself when it has a slash, else the first
 * executable regular file of that name in the directories of `path`. Fails with not_found when
 * there is none, operation_failed with sys EACCES when all there are may not be run.
 */
int path_find(const char *name, const char *path, char ret[PATH_MAX], struct err *err);
