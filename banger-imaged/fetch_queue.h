/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The blobs of one image, fetched by threads that each take the next. */
#include "banger-imaged/fetch_job.h"
#include "banger-imaged/manifest.h"

struct queue;

/* The manifest's configuration and layers, each once. Starts the threads. */
int queue_start(struct fetch_job *j, const struct manifest *m, struct queue **ret, struct err *err);

/* A blob, read-only, as soon as it is whole; the fd becomes the caller's. not_found when it is none
 * of these; cancelled when who asked hangs up (asker_fd, a socket); else the error with which it,
 * or the one before it, failed. */
int queue_wait(struct queue *q, const digest *d, int asker_fd, int *ret_fd, uint64_t *ret_size,
	struct err *err);

struct queue_end {
	uint64_t fetched, reused; /* bytes */
};

/* Stop what is at work, wait for the threads, free it. Fails as the first blob that failed did, or
 * with cancelled when some had not come yet. */
int queue_end(struct queue *q, struct queue_end *ret, struct err *err);
