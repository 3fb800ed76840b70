/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <sys/types.h>

#include "common/err.h"

/*
 * Remove all that is in a directory that belongs to a jail's uid, whatever the VMM made of it:
 * directories in directories, modes, odd names, many files. A child does it with that uid and no
 * rights besides, by way of open directories and through no link, in at most a minute. `dirfd` may
 * be O_PATH. Nothing of the uid may run.
 */
int uid_empty(uid_t uid, int dirfd, struct err *err);
