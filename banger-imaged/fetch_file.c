/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/fetch_file.h"

#include <time.h>

#include "banger-imaged/fetch_blob.h"

#define PROGRESS_MS 100

struct telling {
	struct fetch_job *j;
	const struct fetch_file_fetch_in *in;
	int64_t at_ms;
};

static void on_progress(void *ctx, uint64_t done)
{
	struct telling *t = ctx;
	struct timespec at;
	int64_t now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &at);
	now = (int64_t)at.tv_sec * 1000 + at.tv_nsec / 1000000;
	if (now - t->at_ms < PROGRESS_MS)
		return;
	t->at_ms = now;
	fetch_job_progress(t->j, &t->in->digest, done, t->in->size);
}

int fetch_file_run(struct fetch_job *j, struct http *h, const struct fetch_file_fetch_in *in,
	struct fetch_file_fetch_out *out, struct err *err)
{
	struct telling t = { .j = j, .in = in };
	const struct blob_request b = { .digest = &in->digest,
		.size = in->size,
		.url = in->url.s,
		.stop_fd = -1, /* the program ends when it is cancelled */
		.progress = on_progress,
		.ctx = &t };
	struct origin there;

	if (url_origin(in->url.s, &there, err) < 0)
		return -1;
	if (!there.https)
		return err_set(err, ERR_bad_request, "%s is not to be had by https", in->url.s);
	if (blob_fetch(j, h, &b, &out->file, &out->fetched, err) < 0)
		return -1;
	fetch_job_progress(j, &in->digest, in->size, in->size);
	return 0;
}
