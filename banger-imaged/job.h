/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* One job, as a worker serves it: common/proto/job.tbl.h. */
#include "common/err.h"
#include "common/ipc.h"

#define JOB_PROGRESS_MS 50 /* between two notices of one stage, at least */

/* Serve one request on ch: 1 when it was answered (if only by an error), 0 when the socket closed
 * first, -1 when the request was not one. */
int job_serve(struct ipc *ch, struct err *err);
