/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the job server and the program that speaks with registries agree on. */

#define FETCH_PROGRAM "banger-imaged-fetch"

/* `banger-imaged-fetch MODE LEVEL` (off, log, kill: of seccomp; the number of a log level) has its
 * job's socket (fetch.tbl.h) and the directory of its owner's blob cache here. */
#define FETCH_FD       3
#define FETCH_CACHE_FD 4

/* It ends with 0 when its job was done, 1 when it could not serve, and with this when the job's
 * socket closed under its work. */
#define FETCH_EXIT_CLOSED 3
