/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* One job of banger-imaged-fetch: a process of its own, on a socket of its own, with its owner's
 * blob cache. */
#include <sys/types.h>

#include "common/err.h"

struct call;
struct ipc;

/* Have it started for the caller; when as many run as may, wait until one ends, or call->cancel_fd
 * is readable. The channel speaks `fetch`; the job ends with it. */
int fetch_job_begin(struct call *call, struct ipc **ret, struct err *err);

/* After a call that failed: when it did because the fetcher is gone, *err says so; what a fetcher
 * itself said stays. Returns -1. */
int fetch_job_failed(struct ipc *fetcher, struct err *err);
