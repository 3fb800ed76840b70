/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* One job of the fetch program (fetch_requests.h), as its parts see it. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "banger-imaged/cache.h"
#include "banger-imaged/fetch_endpoint.h"
#include "banger-imaged/manifest.h"
#include "common/err.h"
#include "common/ipc.h"
#include "common/reference.h"

#define JOB_ENDPOINTS_MAX 8
#define JOB_PARALLEL_MAX  16

struct fetch_job {
	struct ipc *ch;
	struct cache *cache;
	int cache_dir; /* the cache's directory, for what its file system has left */
	struct endpoint endpoints[JOB_ENDPOINTS_MAX];
	unsigned n_endpoints;
	atomic_uint first; /* of endpoints: whom to ask first */
	unsigned stall_s, parallel;
	struct reference reference;
	bool resolved;
	struct descriptor manifest; /* what was resolved */
	uint64_t fetched;	    /* bytes of documents that came from a registry */
};

/* Tell the peer of something that was got over; from any thread. */
void fetch_job_note(struct fetch_job *j, const struct err *e);

/* Tell the peer how much of a blob is there. */
void fetch_job_progress(struct fetch_job *j, const digest *blob, uint64_t done, uint64_t total);

/* The endpoint to be asked as number i, of n_endpoints; and that it answered well. */
struct endpoint *fetch_job_endpoint(struct fetch_job *j, unsigned i);
void fetch_job_prefer(struct fetch_job *j, const struct endpoint *e);
