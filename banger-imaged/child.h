/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the job server and the programs of its children agree on, and what the two programs, the
 * worker and the fetcher, do alike. */
#include "common/confine.h"
#include "common/err.h"

#define CHILD_WORKER  "banger-imaged-worker"
#define CHILD_FETCHER "banger-imaged-fetch"

/* `PROGRAM MODE LEVEL` (MODE: a child_mode_word(); LEVEL: the number of a log level) has its job's
 * socket (job.tbl.h, fetch.tbl.h) here; a fetcher also the directory of its owner's blob cache. */
#define CHILD_FD       3
#define CHILD_CACHE_FD 4

/* It ends with 0 when the job was answered, 1 when it could not serve, and with this when the job's
 * socket closed: under its work, or as soon as the answer was read. */
#define CHILD_EXIT_CLOSED 3

/* What seccomp does with a forbidden call. */
static inline const char *child_mode_word(enum confine_mode mode)
{
	static const char *const words[] = {
		[CONFINE_OFF] = "off", [CONFINE_LOG] = "log", [CONFINE_KILL] = "kill"
	};

	return words[mode];
}

/* ---- the children's own ---- */

/* A child's start: read its arguments, log under its program's name, and close what is not its own:
 * all fds but 0 to 2 and the `n_fds` from CHILD_FD on, which become close-on-exec. -1 when nobody
 * but a user can have started it so; that is said to him. */
int child_begin(
	int argc, char **argv, const char *program, unsigned n_fds, enum confine_mode *ret_mode);

/* From now on the process ends when the job's socket closes, wherever its threads are: so jobs are
 * cancelled. Starts a thread. */
int child_watch(struct err *err);
