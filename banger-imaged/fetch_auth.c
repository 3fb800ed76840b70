/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/fetch_auth.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/str.h"

#define TOKEN_BODY_MAX (256U << 10)
#define TOKEN_MAX      (32U << 10)
#define REDIRECTS_MAX  5

/* What the realm answers. */
struct token_body {
	char *p;
	size_t n;
};

static int take_token_body(void *ctx, const void *p, size_t n, struct err *err)
{
	struct token_body *b = ctx;

	if (n > TOKEN_BODY_MAX - b->n)
		return err_set(err, ERR_bad_input, "its answer has more than %u KiB",
			TOKEN_BODY_MAX >> 10);
	memcpy(b->p + b->n, p, n);
	b->n += n;
	return 0;
}

static void token_body_wipe(struct token_body *b)
{
	if (b->p)
		explicit_bzero(b->p, TOKEN_BODY_MAX);
	free(b->p);
}

int auth_parse_token(const char *body, size_t n, char **ret, struct err *err)
{
	static const char *const names[] = { "token", "access_token" };
	_cleanup_json_ struct json_object *o = NULL;

	if (json_parse(body, n, 8, &o, err) < 0) {
		err->code = ERR_bad_input;
		return -1;
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct json_object *v = NULL;
		const char *s;

		if (!json_object_is_type(o, json_type_object) ||
			!json_object_object_get_ex(o, names[i], &v))
			continue;
		s = json_text(v, TOKEN_MAX);
		if (!s || !s[0] || !str_printable(s, false) || strchr(s, ' '))
			return err_set(err, ERR_bad_input, "its '%s' is no token", names[i]);
		*ret = strdup(s);
		return *ret ? 0 : err_sys(err, ERR_operation_failed, ENOMEM, "cannot keep a token");
	}
	return err_set(err, ERR_bad_input, "its answer has no token");
}

/* "Basic …" of name and password. */
static int basic(const struct endpoint *e, char **ret, struct err *err)
{
	char *pair = NULL, *value = NULL;
	int n = asprintf(&pair, "%s:%s", e->username, e->secret);
	size_t cap;

	if (n < 0)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot write a request");
	cap = 6 + ((size_t)n + 2) / 3 * 4 + 1;
	value = malloc(cap);
	if (value) {
		memcpy(value, "Basic ", 6);
		EVP_EncodeBlock((unsigned char *)value + 6, (unsigned char *)pair, n);
	}
	http_wipe(pair);
	if (!value)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot write a request");
	*ret = value;
	return 0;
}

/* name=value for a form, escaped; with a '&' before it when it is not the first. */
static int add_form(char **form, const char *name, const char *value, struct err *err)
{
	char *escaped = curl_easy_escape(NULL, value, 0), *longer = NULL;
	int n = -1;

	if (escaped)
		n = asprintf(
			&longer, "%s%s%s=%s", *form ? *form : "", *form ? "&" : "", name, escaped);
	if (escaped)
		explicit_bzero(escaped, strlen(escaped));
	curl_free(escaped);
	if (n < 0)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot write a request");
	http_wipe(*form);
	*form = longer;
	return 0;
}

/* Whom to ask what for a token. */
struct token_request {
	char *url, *authorization, *form;
	char scope[CHALLENGE_TEXT_MAX + 1];
};

static void token_request_wipe(struct token_request *t)
{
	free(t->url);
	http_wipe(t->authorization);
	http_wipe(t->form);
}

static int prepare(struct token_request *t, const struct endpoint *e, const struct challenge *c,
	const char *path, struct err *err)
{
	if (challenge_scope_is_pull(c->scope))
		memcpy(t->scope, c->scope, sizeof(t->scope));
	else if (!str_format(t->scope, sizeof(t->scope), "repository:%s:pull", path))
		return err_set(err, ERR_bad_request, "the repository's path is too long");
	if (url_resolve(NULL, c->realm, &t->url, err) < 0)
		return -1;
	if (e->identity_token) {
		if (add_form(&t->form, "grant_type", "refresh_token", err) < 0 ||
			add_form(&t->form, "service", c->service, err) < 0 ||
			add_form(&t->form, "client_id", "banger", err) < 0 ||
			add_form(&t->form, "scope", t->scope, err) < 0 ||
			add_form(&t->form, "refresh_token", e->identity_token, err) < 0)
			return -1;
		return 0;
	}
	if ((c->service[0] && url_add_query(&t->url, "service", c->service, err) < 0) ||
		url_add_query(&t->url, "scope", t->scope, err) < 0)
		return -1;
	return e->username && e->secret ? basic(e, &t->authorization, err) : 0;
}

/* One exchange with a realm: 1 when it sends us on, to t->url then. */
static int ask_realm(struct http *h, struct endpoint *e, struct token_request *t,
	struct token_body *body, unsigned stall_s, struct http_reply *r, struct err *err)
{
	struct http_request q = { .method = t->form ? HTTP_POST : HTTP_GET,
		.url = t->url,
		.authorization = t->authorization,
		.accept = "application/json",
		.form = t->form,
		.stall_s = stall_s,
		.total_s = 2 * stall_s,
		.sink = { .take = take_token_body, .ctx = body } };
	enum http_failure failure;
	struct origin from, to;
	char *next = NULL;
	bool own;

	if (endpoint_permit(e, t->url, &q, &own, err) < 0 ||
		http_perform(h, &q, r, NULL, &failure, err) < 0)
		return -1;
	if (r->status / 100 != 3 || !r->location[0])
		return 0;
	if (t->form)
		return err_set(err, ERR_bad_input,
			"it sends us on, which an identity token does not follow");
	if (url_resolve(t->url, r->location, &next, err) < 0 ||
		url_origin(t->url, &from, err) < 0 || url_origin(next, &to, err) < 0) {
		free(next);
		return -1;
	}
	if (!url_origin_equal(&from, &to)) {
		http_wipe(t->authorization);
		t->authorization = NULL;
	}
	free(t->url);
	t->url = next;
	return 1;
}

static int get_token(struct http *h, struct endpoint *e, struct token_request *t,
	struct token_body *body, unsigned stall_s, struct err *err)
{
	struct http_reply *r = calloc(1, sizeof(*r));
	int again = 1;

	body->p = malloc(TOKEN_BODY_MAX);
	if (!r || !body->p) {
		free(r);
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot ask for a token");
	}
	for (int i = 0; again == 1 && i <= REDIRECTS_MAX; i++) {
		body->n = 0;
		again = ask_realm(h, e, t, body, stall_s, r, err);
	}
	if (again == 1)
		err_set(err, ERR_bad_input, "it sends us on and on");
	else if (again == 0 && (r->status == 401 || r->status == 403 || r->status == 400))
		err_set(err, ERR_unauthorized, "%s%s%s",
			endpoint_has_credentials(e) ? "it refuses the credentials"
						    : "it wants credentials",
			r->message[0] ? ": " : "", r->message);
	else if (again == 0 && r->status != 200)
		err_set(err, ERR_unavailable, "it answers with status %ld", r->status);
	else if (again == 0) {
		free(r);
		return 0;
	}
	free(r);
	return -1;
}

static int bearer(struct http *h, struct endpoint *e, const struct challenge *c, const char *path,
	unsigned stall_s, char **ret, struct err *err)
{
	struct token_request t = { 0 };
	struct token_body body = { 0 };
	char *token = NULL;
	int r;

	r = prepare(&t, e, c, path, err);
	if (r == 0)
		r = get_token(h, e, &t, &body, stall_s, err);
	if (r == 0)
		r = auth_parse_token(body.p, body.n, &token, err);
	token_body_wipe(&body);
	token_request_wipe(&t);
	if (r < 0)
		return err_wrap(err, "the token service of %s", e->name);
	if (asprintf(ret, "Bearer %s", token) < 0)
		r = err_sys(err, ERR_operation_failed, ENOMEM, "cannot keep a token");
	http_wipe(token);
	return r;
}

static int find(struct http *h, struct endpoint *e, const struct challenge *c, const char *path,
	unsigned stall_s, char **ret, struct err *err)
{
	if (c->bearer)
		return bearer(h, e, c, path, stall_s, ret, err);
	if (c->basic && e->username && e->secret)
		return basic(e, ret, err);
	if (c->basic)
		return err_set(err, ERR_unauthorized, "%s wants credentials, and none were given",
			e->name);
	return err_set(err, ERR_unauthorized,
		"%s asks in a way that banger does not know who we are", e->name);
}

int auth_renew(struct http *h, struct endpoint *e, const char *path, const char *challenges,
	unsigned generation, unsigned stall_s, struct err *err)
{
	struct challenge *c = calloc(1, sizeof(*c));
	unsigned now;
	char *value = NULL;
	int r = 0;

	pthread_mutex_lock(&e->lock);
	now = e->generation;
	pthread_mutex_unlock(&e->lock);
	if (!c)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot ask for a token");
	if (now == generation) {
		r = challenge_parse(challenges, c, err);
		if (r == 0)
			r = find(h, e, c, path, stall_s, &value, err);
	}
	free(c);
	if (r < 0 || !value)
		return r;
	pthread_mutex_lock(&e->lock);
	http_wipe(e->authorization);
	e->authorization = value;
	e->generation++;
	pthread_mutex_unlock(&e->lock);
	return 0;
}
