/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/fetch_requests.h"

#include <string.h>

#include "banger-imaged/fetch_file.h"
#include "banger-imaged/fetch_job.h"
#include "banger-imaged/fetch_resolve.h"
#include "banger-imaged/fetch_serve.h"
#include "common/failpoint.h"
#include "common/fd.h"
#include "common/log.h"

#define STALL_DEFAULT_S	 30
#define PARALLEL_DEFAULT 4

#define PROTO	    fetch
#define PROTO_TABLE "common/proto/fetch.tbl.h"
#define PROTO_CTX   struct fetch_job
#include "common/ipc_serve.h"

/* Only we send them; a table names both directions. */
int on_progress(struct fetch_job *j, struct fetch_progress_in *in, struct fetch_progress_out *out,
	struct err *err)
{
	return err_set(err, ERR_protocol, "progress is no request");
}

int on_note(
	struct fetch_job *j, struct fetch_note_in *in, struct fetch_note_out *out, struct err *err)
{
	return err_set(err, ERR_protocol, "note is no request");
}

/* What was received stays in the channel's buffer until something else comes. */
static void wipe(const bytes *b)
{
	if (b->p && b->n)
		explicit_bzero((void *)(uintptr_t)b->p, b->n);
}

int on_endpoint(struct fetch_job *j, struct fetch_endpoint_in *in, struct fetch_endpoint_out *out,
	struct err *err)
{
	int r;

	if (j->resolved)
		r = err_set(err, ERR_bad_request, "an endpoint comes before it is asked");
	else if (j->n_endpoints == JOB_ENDPOINTS_MAX)
		r = err_set(err, ERR_bad_request, "at most %d places are asked for an image",
			JOB_ENDPOINTS_MAX);
	else
		r = endpoint_init(&j->endpoints[j->n_endpoints], in, err);
	wipe(&in->secret);
	wipe(&in->identity_token);
	if (r < 0)
		return -1;
	j->n_endpoints++;
	return 0;
}

static int resolve(
	struct fetch_job *j, const char *platform, struct fetch_resolve_out *out, struct err *err)
{
	struct resolved found;
	struct http *h;
	int r;

	if (http_create(NULL, &h, err) < 0)
		return -1;
	r = fetch_resolve_run(j, h, platform, &found, err);
	http_destroy(h);
	if (r < 0)
		return -1;
	j->resolved = true;
	j->manifest = found.manifest;
	out->digest = found.manifest.digest;
	out->top = found.top;
	out->size = found.manifest.size;
	out->cached = found.cached;
	(void)text_parse(found.manifest.type, &out->media_type);
	return 0;
}

int on_resolve(struct fetch_job *j, struct fetch_resolve_in *in, struct fetch_resolve_out *out,
	struct err *err)
{
	if (j->n_endpoints == 0 || j->resolved)
		return err_set(err, ERR_bad_request,
			j->resolved ? "a job resolves one reference"
				    : "there is no registry to ask");
	if (reference_parse(in->reference.s, &j->reference, err) < 0)
		return -1;
	j->stall_s = in->stall_s ? in->stall_s : STALL_DEFAULT_S;
	j->parallel = in->parallel ? in->parallel : PARALLEL_DEFAULT;
	if (j->parallel > JOB_PARALLEL_MAX)
		j->parallel = JOB_PARALLEL_MAX;
	return resolve(j, in->platform.s, out, err) < 0 ? -1 : FAILPOINT(resolve_done, err);
}

int on_serve(struct fetch_job *j, struct fetch_serve_in *in, struct fetch_serve_out *out,
	struct err *err)
{
	struct serve_figures f = { 0 };
	struct http *h;
	int r;

	if (!j->resolved)
		return err_set(err, ERR_bad_request, "there is no image yet to be fetched");
	if (http_create(NULL, &h, err) < 0)
		return -1;
	r = fetch_serve_run(j, h, &in->source, &f, err);
	http_destroy(h);
	out->fetched = f.fetched;
	out->reused = f.reused;
	return r < 0 ? -1 : FAILPOINT(fetch_done, err);
}

int on_file_fetch(struct fetch_job *j, struct fetch_file_fetch_in *in,
	struct fetch_file_fetch_out *out, struct err *err)
{
	struct http *h;
	int r;

	if (j->n_endpoints != 1 || j->resolved)
		return err_set(err, ERR_bad_request, "a file is fetched from one endpoint");
	j->stall_s = in->stall_s ? in->stall_s : STALL_DEFAULT_S;
	if (http_create(NULL, &h, err) < 0)
		return -1;
	r = fetch_file_run(j, h, in, out, err);
	http_destroy(h);
	if (r == 0 && FAILPOINT(fetch_done, err) < 0) {
		fd_closep(&out->file);
		return -1;
	}
	return r;
}

int on_cache_prune(struct fetch_job *j, struct fetch_cache_prune_in *in,
	struct fetch_cache_prune_out *out, struct err *err)
{
	struct cache_figures f;
	int r = in->dry_run ? cache_usage(j->cache, &f, err) : cache_prune(j->cache, &f, err);

	if (r < 0)
		return -1;
	out->bytes = f.bytes;
	out->blobs = f.blobs;
	return 0;
}

static void before(void *ctx, const struct message *m, uint64_t op)
{
	log_set_op(op);
	log_debug("%s", m->name);
}

int fetch_requests_serve(struct ipc *ch, struct cache *cache, int cache_dir, struct err *err)
{
	struct fetch_job j = { .ch = ch, .cache = cache, .cache_dir = cache_dir };
	int r;

	do
		r = ipc_serve(ch, fetch_handlers, &j, before, err);
	while (r > 0);
	for (unsigned i = 0; i < j.n_endpoints; i++)
		endpoint_finish(&j.endpoints[i]);
	return r;
}
