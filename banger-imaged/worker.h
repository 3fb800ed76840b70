/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the job server and the program of its workers agree on. */

#define WORKER_PROGRAM "banger-imaged-worker"

/* `banger-imaged-worker MODE LEVEL` (off, log, kill: of seccomp; the number of a log level) has its
 * job's socket here. */
#define WORKER_FD 3

/* It ends with 0 when the job was answered, 1 when it could not serve, and with this when the job's
 * socket closed: under its work, or as soon as the answer was read. */
#define WORKER_EXIT_CLOSED 3
