/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A question to one registry or mirror (OCI distribution-spec): with redirects followed, by our own
 * rules, and with what the registry wants to see of us. */
#include "banger-imaged/fetch_endpoint.h"
#include "banger-imaged/fetch_http.h"
#include "common/err.h"

#define REGISTRY_REDIRECTS_MAX 10

struct registry_request {
	enum http_method method; /* HTTP_GET or HTTP_HEAD */
	const char *path;	 /* the repository's */
	const char *what;	 /* "manifests/latest", "blobs/sha256:…" */
	const char *url;	 /* of a file that is no registry's, asked without an authorization;
				    NULL: made of path and what */
	const char *accept;
	uint64_t range_from;
	unsigned stall_s, total_s; /* as in struct http_request */
	struct http_sink sink;
};

/* 0 when an answer came, whatever its status: 401 means that nothing helped. */
int registry_request(struct http *h, struct endpoint *e, const struct registry_request *q,
	struct http_reply *ret, enum http_failure *ret_failure, struct err *err);

/* The error that an answer of a status other than 2xx is. */
int registry_refusal(
	const struct endpoint *e, const char *what, const struct http_reply *r, struct err *err);
