/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Indexes and manifests out of a registry or the cache, verified before they are parsed. */
#include "banger-imaged/fetch_job.h"

struct document {
	char *text; /* with a NUL behind it */
	size_t n;
	digest digest;
	char type[128]; /* one of the four media types of indexes and manifests */
	bool cached;
};

/* What is asked for. */
struct document_wanted {
	const char *reference; /* a tag, or the digest's text */
	const digest *digest;  /* NULL: by tag */
	uint64_t size;	       /* CACHE_ANY_SIZE: not known */
	const char *type;      /* as its index said, or "" */
};

/* From the cache, if it is known by digest; else from the endpoints, and into the cache. Its
 * digest, size and what is said of its kind agree. The caller finishes it. */
int document_get(struct fetch_job *j, struct http *h, const struct document_wanted *w,
	struct document *ret, struct err *err);
void document_finish(struct document *d);

/* Which digest a tag has now, by the first endpoint's word: a question that may go unanswered. */
bool document_head(struct fetch_job *j, struct http *h, const char *tag, digest *ret);

/*
 * What kind of document the text is: what `said` says (a descriptor's or the answer's media type;
 * "" or one of no meaning: nothing), its own mediaType, and its members must not contradict each
 * other (CVE-2021-41190). Fails with bad_input; schema 1 is refused by its name.
 */
int document_type(const char *s, size_t n, const char *said, char ret[128], struct err *err);
