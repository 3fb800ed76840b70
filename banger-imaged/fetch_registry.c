/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/fetch_registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banger-imaged/fetch_auth.h"
#include "common/str.h"

/* A first try, one with an authorization, and one with a newer one, of a token that ran out. */
#define AUTH_ROUNDS 3

static bool is_redirect(const struct http_reply *r)
{
	return (r->status == 301 || r->status == 302 || r->status == 303 || r->status == 307 ||
		       r->status == 308) &&
	       r->location[0];
}

/* One exchange at *url; *ret_own: it went to the endpoint's own origin. */
static int ask(struct http *h, struct endpoint *e, const struct registry_request *q,
	const char *url, const char *authorization, struct http_reply *ret, bool *ret_own,
	enum http_failure *failure, struct err *err)
{
	struct http_request hq = { .method = q->method,
		.url = url,
		.accept = q->accept,
		.range_from = q->range_from,
		.stall_s = q->stall_s,
		.total_s = q->total_s,
		.sink = q->sink };
	enum address_class class;

	*failure = HTTP_FAILED_FINAL;
	if (endpoint_permit(e, url, &hq, ret_own, err) < 0)
		return -1;
	hq.authorization = *ret_own ? authorization : NULL;
	if (http_perform(h, &hq, ret, &class, failure, err) < 0)
		return -1;
	if (*ret_own)
		endpoint_saw(e, class);
	return 0;
}

/* From the endpoint's own URL on through redirects. What was shown at the last own one is
 * `authorization`, wherever it ended. */
static int follow(struct http *h, struct endpoint *e, const struct registry_request *q,
	const char *authorization, struct http_reply *ret, bool *ret_own,
	enum http_failure *failure, struct err *err)
{
	_cleanup_free_ char *url = NULL;

	*failure = HTTP_FAILED_FINAL;
	if (q->url ? url_resolve(NULL, q->url, &url, err) < 0
		   : endpoint_url(e, q->path, q->what, &url, err) < 0)
		return -1;
	for (int i = 0; i <= REGISTRY_REDIRECTS_MAX; i++) {
		char *next = NULL;

		if (ask(h, e, q, url, authorization, ret, ret_own, failure, err) < 0)
			return -1;
		if (!is_redirect(ret))
			return 0;
		*failure = HTTP_FAILED_FINAL;
		if (url_resolve(url, ret->location, &next, err) < 0)
			return err_wrap(err, "a redirect");
		free(url);
		url = next;
	}
	return err_set(
		err, ERR_bad_input, "it redirects more than %d times", REGISTRY_REDIRECTS_MAX);
}

static int with_auth(struct http *h, struct endpoint *e, const struct registry_request *q,
	struct http_reply *ret, enum http_failure *failure, struct err *err)
{
	char path[2 * REFERENCE_PATH_MAX + 2];

	(void)str_format(path, sizeof(path), "%s%s%s", e->prefix, e->prefix[0] ? "/" : "", q->path);
	for (int round = 1;; round++) {
		char *authorization = NULL;
		unsigned generation;
		bool own = true;
		int r;

		*failure = HTTP_FAILED_FINAL;
		if (endpoint_authorization(e, &authorization, &generation, err) < 0)
			return -1;
		r = follow(h, e, q, authorization, ret, &own, failure, err);
		http_wipe(authorization);
		if (r < 0 || ret->status != 401 || !own || round == AUTH_ROUNDS)
			return r;
		*failure = HTTP_FAILED_FINAL;
		if (auth_renew(h, e, path, ret->challenges, generation, q->stall_s, err) < 0)
			return -1;
	}
}

/* Who is on this very host may do without TLS. One that does not answer is found out by asking. */
static void look_for_tls(struct http *h, struct endpoint *e, unsigned stall_s)
{
	struct http_request q = { .method = HTTP_HEAD,
		.addresses = ADDRESS_LOOPBACK,
		.probe = true,
		.stall_s = stall_s,
		.total_s = stall_s };
	_cleanup_free_ struct http_reply *r = calloc(1, sizeof(*r));
	_cleanup_free_ char *url = NULL;
	enum http_failure failure;
	struct err err = ERR_INIT;

	if (!r || endpoint_url(e, "", "", &url, &err) < 0)
		return;
	q.url = url;
	if (http_perform(h, &q, r, NULL, &failure, &err) == 0)
		endpoint_found(e, true);
	else if (failure == HTTP_FAILED_TLS || failure == HTTP_FAILED_CONNECT)
		endpoint_found(e, false);
}

int registry_request(struct http *h, struct endpoint *e, const struct registry_request *q,
	struct http_reply *ret, enum http_failure *ret_failure, struct err *err)
{
	bool own;
	int r;

	if (q->url) {
		r = follow(h, e, q, NULL, ret, &own, ret_failure, err);
	} else {
		if (endpoint_is_open(e))
			look_for_tls(h, e, q->stall_s);
		r = with_auth(h, e, q, ret, ret_failure, err);
	}
	return r < 0 ? err_wrap(err, "%s", e->name) : 0;
}

int registry_refusal(
	const struct endpoint *e, const char *what, const struct http_reply *r, struct err *err)
{
	const char *colon = r->message[0] ? ": " : "";

	if (r->status == 404)
		return err_set(
			err, ERR_not_found, "%s has no %s%s%s", e->name, what, colon, r->message);
	if (r->status == 401 || r->status == 403)
		return err_set(err, ERR_unauthorized, "%s does not let %s have %s%s%s", e->name,
			endpoint_has_credentials(e) ? "these credentials" : "strangers", what,
			colon, r->message);
	if (r->status == 429)
		return err_set(err, ERR_unavailable,
			"%s has had too many requests from here (%s)%s%s: try again later", e->name,
			what, colon, r->message);
	return err_set(err, r->status >= 500 ? ERR_unavailable : ERR_bad_input,
		"%s answers with status %ld for %s%s%s", e->name, r->status, what, colon,
		r->message);
}
