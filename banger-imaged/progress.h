/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* How a job tells its client how far it is: see `progress` in common/proto/job.tbl.h. */
#include <stdint.h>

#include "common/enums.h"

struct progress {
	/* `done` of `total` (0: not known) bytes or entries of the stage; called in the thread that
	 * runs the job, as often as the job likes: the receiver limits the rate. */
	void (*fn)(void *ctx, enum job_stage stage, uint64_t done, uint64_t total);
	void *ctx;
};

static inline void progress_tell(
	const struct progress *p, enum job_stage stage, uint64_t done, uint64_t total)
{
	if (p && p->fn)
		p->fn(p->ctx, stage, done, total);
}
