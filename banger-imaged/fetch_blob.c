/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/fetch_blob.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "banger-imaged/fetch_registry.h"
#include "banger-imaged/fetch_retry.h"
#include "common/failpoint.h"
#include "common/fd.h"
#include "common/str.h"

struct transfer {
	const struct blob_request *q;
	struct cache_writer *w;
	uint64_t from; /* where the request at work begins */
	uint64_t fetched;
	bool refused_range; /* 416: what is there is thrown away */
};

/* A 206 must go on where we are, and speak of this blob. */
static int check_range(const struct transfer *t, const struct http_reply *r, struct err *err)
{
	if (!t->from || !r->has_range)
		return err_set(err, ERR_bad_input, "it sends a part (206) %s",
			t->from ? "and does not say which" : "that nobody asked for");
	if (r->range_from != t->from || r->range_to >= t->q->size ||
		(r->has_range_total && r->range_total != t->q->size))
		return err_set(err, ERR_bad_input,
			"it sends bytes %llu to %llu of %llu, not from %llu on of %llu",
			(unsigned long long)r->range_from, (unsigned long long)r->range_to,
			(unsigned long long)r->range_total, (unsigned long long)t->from,
			(unsigned long long)t->q->size);
	if (r->has_length && r->length != r->range_to - r->range_from + 1)
		return err_set(err, ERR_bad_input,
			"its Content-Range and its Content-Length contradict each other");
	return 0;
}

static int begin(void *ctx, const struct http_reply *r, struct err *err)
{
	struct transfer *t = ctx;

	if (r->encoded)
		return err_set(err, ERR_bad_input,
			"it sends the blob in a content encoding that nobody asked for");
	if (r->status == 206)
		return check_range(t, r, err);
	if (r->status != 200)
		return err_set(err, ERR_bad_input, "it answers with status %ld", r->status);
	if (r->has_length && r->length != t->q->size)
		return err_set(err, ERR_bad_input, "it has %llu bytes, not %llu as the image says",
			(unsigned long long)r->length, (unsigned long long)t->q->size);
	/* It sends all, whatever was asked for. */
	return t->from ? cache_restart(t->w, err) : 0;
}

static int take(void *ctx, const void *p, size_t n, struct err *err)
{
	struct transfer *t = ctx;

	if (cache_write(t->w, p, n, err) < 0)
		return -1;
	t->fetched += n;
	t->q->progress(t->q->ctx, cache_writer_at(t->w));
	return FAILPOINT(blob_part, err);
}

/* One request: 0 when it brought what it said it would. */
static int request(struct fetch_job *j, struct http *h, struct endpoint *e, struct transfer *t,
	const char *what, struct http_reply *r, enum http_failure *failure, struct err *err)
{
	struct registry_request rq = { .method = HTTP_GET,
		.path = j->reference.path,
		.what = what,
		.url = t->q->url,
		.stall_s = j->stall_s,
		.sink = { begin, take, t } };

	t->from = cache_writer_at(t->w);
	rq.range_from = t->from;
	return registry_request(h, e, &rq, r, failure, err);
}

/* All that is missing, from one endpoint. */
static int download(struct fetch_job *j, struct http *h, struct endpoint *e, struct transfer *t,
	const char *what, struct err *err)
{
	_cleanup_free_ struct http_reply *r = calloc(1, sizeof(*r));
	uint64_t best = cache_writer_at(t->w);
	struct retry retry = { 0 };

	if (!r)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot fetch a blob");
	for (unsigned n = 0; cache_writer_at(t->w) < t->q->size; n++) {
		enum http_failure failure = HTTP_FAILED_MIDWAY;
		bool answered;

		*err = (struct err)ERR_INIT;
		answered = request(j, h, e, t, what, r, &failure, err) == 0;
		if (cache_writer_at(t->w) == t->q->size &&
			(answered || failure != HTTP_FAILED_FINAL))
			return 0;
		if (answered && r->status == 416 && t->from) {
			if (cache_restart(t->w, err) < 0)
				return -1;
			continue;
		}
		if (answered && r->status / 100 == 2) {
			err_set(err, ERR_unavailable, "%s: it ends after %llu of %llu bytes",
				e->name, (unsigned long long)cache_writer_at(t->w),
				(unsigned long long)t->q->size);
			answered = false;
			failure = HTTP_FAILED_MIDWAY;
		} else if (answered) {
			(void)registry_refusal(e, what, r, err);
		}
		if (n == BLOB_RESTARTS_MAX)
			return err_wrap(err, "after %d tries", BLOB_RESTARTS_MAX);
		/* What brings more than there was is worth going on with at once. */
		if (cache_writer_at(t->w) > best && !answered && failure != HTTP_FAILED_FINAL)
			retry = (struct retry){ 0 };
		else if (!retry_wait(&retry, h, failure, answered ? r : NULL))
			return -1;
		if (cache_writer_at(t->w) > best)
			best = cache_writer_at(t->w);
	}
	return 0;
}

static void still_waiting(void *ctx, uint64_t done)
{
	const struct blob_request *q = ctx;

	q->progress(q->ctx, done);
}

/* With one endpoint. 1: what was there from earlier is to blame, and gone; try it again. */
static int with_endpoint(struct fetch_job *j, struct http *h, struct endpoint *e,
	const struct blob_request *q, const char *what, int *ret_fd, uint64_t *ret_fetched,
	struct err *err)
{
	struct cache_wait wait = {
		.cancel_fd = q->stop_fd, .waiting = still_waiting, .ctx = (void *)(uintptr_t)q
	};
	struct transfer t = { .q = q };
	uint64_t inherited;

	if (cache_begin(j->cache, q->digest, q->size, &wait, ret_fd, &t.w, err) < 0)
		return -1;
	if (!t.w)
		return 0;
	inherited = cache_writer_at(t.w);
	if (FAILPOINT(blob_begin, err) < 0 || download(j, h, e, &t, what, err) < 0 ||
		FAILPOINT(blob_whole, err) < 0) {
		cache_abandon(t.w);
		return -1;
	}
	*err = (struct err)ERR_INIT;
	if (cache_commit(t.w, ret_fd, err) < 0)
		return inherited && err->code == ERR_bad_input ? 1 : err_wrap(err, "%s", e->name);
	if (FAILPOINT(blob_put, err) < 0) {
		fd_closep(ret_fd);
		return -1;
	}
	*ret_fetched += t.fetched;
	return 0;
}

int blob_fetch(struct fetch_job *j, struct http *h, const struct blob_request *q, int *ret_fd,
	uint64_t *ret_fetched, struct err *err)
{
	struct err why = ERR_INIT;
	char what[8 + DIGEST_MAX];

	(void)str_format(what, sizeof(what), "%s/%s", q->url ? "file" : "blobs", q->digest->s);
	*ret_fetched = 0;
	for (unsigned i = 0; i < j->n_endpoints; i++) {
		struct endpoint *e = fetch_job_endpoint(j, i);
		int r, fd = -1;

		if (i > 0)
			fetch_job_note(j, &why);
		why = (struct err)ERR_INIT;
		r = with_endpoint(j, h, e, q, what, &fd, ret_fetched, &why);
		if (r == 1) {
			fetch_job_note(j, &why);
			why = (struct err)ERR_INIT;
			r = with_endpoint(j, h, e, q, what, &fd, ret_fetched, &why);
		}
		if (r == 0) {
			*ret_fd = fd;
			return 0;
		}
		if (http_stopped(h) || why.code == ERR_no_space || why.code == ERR_cancelled)
			break;
	}
	*err = why;
	return err_wrap(err, "%s", q->url ? q->url : what);
}
