/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What launch knows of processes. The host's /proc may hide those of other users (hidepid of
 * proc(5)), also from root without the right to trace: a VMM that is not seen would be taken for
 * dead, and its uid and disk given to the next one.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "common/err.h"

/* Use a procfs of launch's own, which hides nothing, where one can be made (it needs
 * CAP_SYS_ADMIN); else the host's. Fails with unavailable when processes of `uid`, which has none,
 * could not be seen in it. */
int procfs_begin(uid_t uid, struct err *err);

/* Open what is in it ("1/status"; "." is all of it), close-on-exec; -1 with errno. */
int procfs_open(const char *path, int flags);

/* The first uid of [first, end) that anything runs under, zombies left out; *ret is untouched
 * without one. */
int procfs_next_uid(uid_t first, uid_t end, bool *ret_found, uid_t *ret, struct err *err);
