/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/fetch_document.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "banger-imaged/fetch_registry.h"
#include "banger-imaged/fetch_retry.h"
#include "banger-imaged/hash.h"
#include "common/fd.h"
#include "common/str.h"

#define ACCEPT                                                        \
	"application/vnd.oci.image.index.v1+json, "                   \
	"application/vnd.oci.image.manifest.v1+json, "                \
	"application/vnd.docker.distribution.manifest.list.v2+json, " \
	"application/vnd.docker.distribution.manifest.v2+json"

static const struct image_limits limits = IMAGE_LIMITS_DEFAULT;

void document_finish(struct document *d)
{
	free(d->text);
	*d = (struct document){ 0 };
}

/* ---- from the cache ---- */

static int read_whole(int fd, struct document *d, struct err *err)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot read the cache");
	if (st.st_size > (off_t)limits.manifest)
		return err_set(err, ERR_bad_input, "the manifest has more than %u MiB",
			limits.manifest >> 20);
	d->text = malloc((size_t)st.st_size + 1);
	if (!d->text)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read a manifest");
	n = fd_pread_full(fd, d->text, (size_t)st.st_size, 0);
	if (n != st.st_size)
		return err_sys(
			err, ERR_operation_failed, n < 0 ? errno : EIO, "cannot read the cache");
	d->n = (size_t)n;
	d->text[d->n] = '\0';
	return 0;
}

static int from_cache(
	struct fetch_job *j, const struct document_wanted *w, struct document *d, struct err *err)
{
	_cleanup_fd_ int fd = -1;

	if (cache_lookup(j->cache, w->digest, w->size, &fd, err) < 0 ||
		read_whole(fd, d, err) < 0 ||
		document_type(d->text, d->n, w->type, d->type, err) < 0)
		return -1;
	d->digest = *w->digest;
	d->cached = true;
	return 0;
}

static int into_cache(struct fetch_job *j, const struct document *d, struct err *err)
{
	_cleanup_fd_ int fd = -1;
	struct cache_writer *w = NULL;

	if (cache_begin(j->cache, &d->digest, d->n, NULL, &fd, &w, err) < 0)
		return -1;
	if (!w)
		return 0;
	if (cache_restart(w, err) < 0 || cache_write(w, d->text, d->n, err) < 0) {
		cache_abandon(w);
		return -1;
	}
	return cache_commit(w, &fd, err);
}

/* ---- from an endpoint ---- */

struct receiver {
	struct document *d;
	const struct document_wanted *w;
	size_t cap;
};

static int begin(void *ctx, const struct http_reply *r, struct err *err)
{
	struct receiver *rx = ctx;

	rx->d->n = 0; /* an earlier try's */
	if (r->status != 200)
		return err_set(err, ERR_bad_input, "it answers with status %ld", r->status);
	if (r->encoded)
		return err_set(err, ERR_bad_input,
			"it sends the manifest in a content encoding that nobody asked for");
	if (r->has_length && r->length > limits.manifest)
		return err_set(err, ERR_bad_input, "the manifest has %llu bytes, banger takes %u",
			(unsigned long long)r->length, limits.manifest);
	if (r->has_length && rx->w->size != CACHE_ANY_SIZE && r->length != rx->w->size)
		return err_set(err, ERR_bad_input,
			"the manifest has %llu bytes, not %llu as its index says",
			(unsigned long long)r->length, (unsigned long long)rx->w->size);
	return 0;
}

static int take(void *ctx, const void *p, size_t n, struct err *err)
{
	struct receiver *rx = ctx;
	struct document *d = rx->d;

	if (n > limits.manifest - d->n)
		return err_set(err, ERR_bad_input, "the manifest has more than %u MiB",
			limits.manifest >> 20);
	if (d->n + n + 1 > rx->cap) {
		size_t cap = 2 * (d->n + n + 1);
		char *larger = realloc(d->text, cap);

		if (!larger)
			return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read a manifest");
		d->text = larger;
		rx->cap = cap;
	}
	memcpy(d->text + d->n, p, n);
	d->n += n;
	d->text[d->n] = '\0';
	return 0;
}

static int digest_of(const struct document *d, const digest *like, digest *ret, struct err *err)
{
	struct hash h;
	int r;

	if (hash_init(&h, like, err) < 0)
		return -1;
	r = hash_update(&h, d->text, d->n, err);
	if (r == 0)
		r = hash_digest(&h, ret, err);
	hash_finish(&h);
	return r;
}

/* The digest by which it was asked for, and that which the answer's header says. */
static int verify(
	struct document *d, const struct document_wanted *w, const char *said, struct err *err)
{
	digest header = { 0 }, found;

	if (said[0] && !digest_parse(said, &header))
		return err_set(err, ERR_bad_input, "its Docker-Content-Digest is none");
	if (w->size != CACHE_ANY_SIZE && d->n != w->size)
		return err_set(err, ERR_bad_input,
			"the manifest has %zu bytes, not %llu as its index says", d->n,
			(unsigned long long)w->size);
	if (digest_of(d, w->digest ? w->digest : said[0] ? &header : NULL, &d->digest, err) < 0)
		return -1;
	if (w->digest && strcmp(d->digest.s, w->digest->s) != 0)
		return err_set(err, ERR_bad_input, "the manifest's digest is %s, not %s",
			d->digest.s, w->digest->s);
	if (!said[0])
		return 0;
	if (digest_of(d, &header, &found, err) < 0)
		return -1;
	if (strcmp(found.s, header.s) != 0)
		return err_set(err, ERR_bad_input,
			"the manifest's digest is %s, not %s as the answer's header says", found.s,
			header.s);
	return 0;
}

/* What its index and what the answer's header say of it. */
static int check_type(
	struct document *d, const struct document_wanted *w, const char *said, struct err *err)
{
	if (document_type(d->text, d->n, said, d->type, err) < 0)
		return -1;
	if (!w->type[0])
		return 0;
	if (str_starts(said, "application/vnd.") && strcmp(said, w->type) != 0)
		return err_set(err, ERR_bad_input, "it came as '%s', and its index says '%s'", said,
			w->type);
	return document_type(d->text, d->n, w->type, d->type, err);
}

/* One endpoint, tried several times. */
static int from_endpoint(struct fetch_job *j, struct http *h, struct endpoint *e,
	const struct document_wanted *w, struct document *d, struct err *err)
{
	_cleanup_free_ struct http_reply *r = calloc(1, sizeof(*r));
	struct receiver rx = { .d = d, .w = w };
	char what[16 + DIGEST_MAX + 1];
	struct registry_request q = { .method = HTTP_GET,
		.path = j->reference.path,
		.what = what,
		.accept = ACCEPT,
		.stall_s = j->stall_s,
		.total_s = 2 * j->stall_s,
		.sink = { begin, take, &rx } };
	enum http_failure failure;
	struct retry retry = { 0 };
	int done;

	if (!r)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot ask for a manifest");
	(void)str_format(what, sizeof(what), "manifests/%s", w->reference);
	do {
		*err = (struct err)ERR_INIT;
		done = registry_request(h, e, &q, r, &failure, err);
		if (done == 0 && r->status == 200)
			break;
		if (done == 0)
			(void)registry_refusal(e, what, r, err);
	} while (retry_wait(&retry, h, failure, done == 0 ? r : NULL));
	if (err->code != ERR_none)
		return -1;
	if (d->n == 0)
		return err_set(err, ERR_bad_input, "%s: the manifest is empty", e->name);
	if (verify(d, w, r->digest, err) < 0 || check_type(d, w, r->type, err) < 0)
		return err_wrap(err, "%s, %s", e->name, what);
	return 0;
}

int document_get(struct fetch_job *j, struct http *h, const struct document_wanted *w,
	struct document *ret, struct err *err)
{
	struct document d = { 0 };
	struct err why = ERR_INIT;

	if (w->digest && from_cache(j, w, &d, &why) == 0) {
		*ret = d;
		return 0;
	}
	document_finish(&d);
	for (unsigned i = 0; i < j->n_endpoints; i++) {
		struct endpoint *e = fetch_job_endpoint(j, i);

		if (i > 0)
			fetch_job_note(j, &why);
		why = (struct err)ERR_INIT;
		if (from_endpoint(j, h, e, w, &d, &why) < 0) {
			document_finish(&d);
			continue;
		}
		fetch_job_prefer(j, e);
		j->fetched += d.n;
		if (into_cache(j, &d, err) < 0) {
			document_finish(&d);
			return -1;
		}
		*ret = d;
		return 0;
	}
	*err = why;
	return -1;
}

bool document_head(struct fetch_job *j, struct http *h, const char *tag, digest *ret)
{
	_cleanup_free_ struct http_reply *r = calloc(1, sizeof(*r));
	char what[16 + REFERENCE_TAG_MAX + 1];
	struct registry_request q = { .method = HTTP_HEAD,
		.path = j->reference.path,
		.what = what,
		.accept = ACCEPT,
		.stall_s = j->stall_s,
		.total_s = 2 * j->stall_s };
	enum http_failure failure;
	struct err err = ERR_INIT;

	(void)str_format(what, sizeof(what), "manifests/%s", tag);
	return r && registry_request(h, fetch_job_endpoint(j, 0), &q, r, &failure, &err) == 0 &&
	       r->status == 200 && digest_parse(r->digest, ret);
}
