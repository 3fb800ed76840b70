/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* One blob, whole and verified: from the cache, or into it from an endpoint, with as many requests
 * as it takes. */
#include "banger-imaged/fetch_job.h"

#define BLOB_RESTARTS_MAX 200

struct blob_request {
	const digest *digest;
	uint64_t size;
	const char *url; /* where it is, when it is no registry's; else NULL */
	int stop_fd;	 /* readable: cancelled */
	/* Now and then, with how much is there; in the caller's thread. */
	void (*progress)(void *ctx, uint64_t done);
	void *ctx;
};

/* *ret_fd, read-only, becomes the caller's; *ret_fetched: bytes that came for it just now. */
int blob_fetch(struct fetch_job *j, struct http *h, const struct blob_request *q, int *ret_fd,
	uint64_t *ret_fetched, struct err *err);
