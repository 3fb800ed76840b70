/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* One job of banger-imaged: a worker of its own, on a socket of its own. */
#include <stdint.h>

#include "common/err.h"
#include "common/proto_job.h"

struct ipc;
struct call;
struct blobs;

struct imaged_job {
	struct ipc *channel;	   /* NULL: none */
	struct call *call;	   /* is told the progress; NULL: nobody is */
	const struct blobs *blobs; /* NULL: its space is not looked at */
	uint64_t leave;		   /* the job ends with no_space when less is free */
	int64_t checked_ms;
	struct err space;
};

/* Have imaged start a worker; when as many work as may, wait until one ends, or cancel_fd (or -1)
 * is readable. */
int imaged_job_begin(struct ipc *imaged, const struct blobs *blobs, uint64_t leave,
	struct call *call, int cancel_fd, struct imaged_job *ret, struct err *err);

/* One that takes no longer than a moment, and does not wait for those that take minutes. */
int imaged_job_begin_brief(
	struct ipc *imaged, int cancel_fd, struct imaged_job *ret, struct err *err);

/* Ask it, and wait: until it answers, cancel_fd (or -1) is readable, or the space runs out. */
int imaged_job_call(struct imaged_job *job, uint16_t msg, const void *in, void *out, int cancel_fd,
	struct err *err);

/* The worker ends with its socket; for _cleanup_. Views in `out` end too. */
void imaged_job_end(struct imaged_job *job);
