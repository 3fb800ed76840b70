/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/fetch_endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/str.h"

/* Where the API of docker.io is. */
#define DOCKER_HOST "registry-1.docker.io"

/* A copy as a string; NULL in *ret for none. What it is called is for the message. */
static int take_bytes(const bytes *b, size_t max, const char *what, char **ret, struct err *err)
{
	*ret = NULL;
	if (b->n == 0)
		return 0;
	if (b->n > max || memchr(b->p, '\0', b->n))
		return err_set(err, ERR_bad_request, "%s has more than %zu KiB, or a NUL", what,
			max >> 10);
	*ret = strndup(b->p, b->n);
	return *ret ? 0 : err_sys(err, ERR_operation_failed, ENOMEM, "cannot keep %s", what);
}

static int check_names(const struct fetch_endpoint_in *in, struct err *err)
{
	struct reference r;
	char name[REFERENCE_MAX + 1];

	if (!reference_is_registry(in->host.s))
		return err_set(
			err, ERR_bad_request, "'%s' is no registry: host[:port]", in->host.s);
	if (in->prefix.s[0] &&
		(!str_format(name, sizeof(name), "prefix.invalid/%s", in->prefix.s) ||
			reference_parse(name, &r, err) < 0 || strcmp(r.path, in->prefix.s) != 0))
		return err_set(err, ERR_bad_request, "'%s' cannot stand before a repository's path",
			in->prefix.s);
	if (strchr(in->username.s, ':'))
		return err_set(err, ERR_bad_request,
			"a user's name for %s has a colon in it (RFC 7617)", in->host.s);
	return 0;
}

/* The host alone, without brackets. */
static void bare_host(const char *host, char *dst, size_t cap)
{
	const char *colon = strrchr(host, ':'), *bracket = strchr(host, ']');
	size_t n = colon && (!bracket || colon > bracket) ? (size_t)(colon - host) : strlen(host);

	if (host[0] == '[' && n > 1 && host[n - 1] == ']') {
		host++;
		n -= 2;
	}
	if (n >= cap)
		n = cap - 1;
	memcpy(dst, host, n);
	dst[n] = '\0';
}

int endpoint_init(struct endpoint *e, const struct fetch_endpoint_in *in, struct err *err)
{
	struct endpoint x = { .plain_http = in->plain_http, .insecure = in->insecure };
	char bare[256];

	if (check_names(in, err) < 0)
		return -1;
	memcpy(x.name, in->host.s, strlen(in->host.s) + 1);
	memcpy(x.prefix, in->prefix.s, strlen(in->prefix.s) + 1);
	memcpy(x.host, x.name, sizeof(x.host));
	if (strcmp(x.name, REFERENCE_DEFAULT_REGISTRY) == 0)
		memcpy(x.host, DOCKER_HOST, sizeof(DOCKER_HOST));
	bare_host(x.host, bare, sizeof(bare));
	x.loopback = address_is_loopback_name(bare);
	x.link_local = address_class_of_text(bare) == ADDRESS_LINK_LOCAL;
	x.http = x.plain_http;
	x.n_ca = in->ca.n;
	if (take_bytes(&in->ca, ENDPOINT_CA_MAX, "a CA's certificate", &x.ca, err) < 0 ||
		take_bytes(&in->secret, ENDPOINT_SECRET_MAX, "a password", &x.secret, err) < 0 ||
		take_bytes(&in->identity_token, ENDPOINT_SECRET_MAX, "an identity token",
			&x.identity_token, err) < 0 ||
		(in->username.s[0] && !(x.username = strdup(in->username.s)))) {
		free(x.ca);
		http_wipe(x.secret);
		http_wipe(x.identity_token);
		return err->code != ERR_none ? -1
					     : err_sys(err, ERR_operation_failed, ENOMEM,
						       "cannot keep a user's name");
	}
	pthread_mutex_init(&x.lock, NULL);
	*e = x;
	return 0;
}

void endpoint_finish(struct endpoint *e)
{
	free(e->ca);
	http_wipe(e->username);
	http_wipe(e->secret);
	http_wipe(e->identity_token);
	http_wipe(e->authorization);
	pthread_mutex_destroy(&e->lock);
}

bool endpoint_has_credentials(const struct endpoint *e)
{
	return e->identity_token || (e->username && e->secret);
}

static bool is_http(struct endpoint *e)
{
	bool http;

	pthread_mutex_lock(&e->lock);
	http = e->http;
	pthread_mutex_unlock(&e->lock);
	return http;
}

int endpoint_url(
	struct endpoint *e, const char *path, const char *what, char **ret, struct err *err)
{
	if (asprintf(ret, "%s://%s/v2/%s%s%s/%s", is_http(e) ? "http" : "https", e->host, e->prefix,
		    e->prefix[0] ? "/" : "", path, what) < 0)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot write a URL");
	return 0;
}

bool endpoint_is_open(struct endpoint *e)
{
	bool is_open;

	pthread_mutex_lock(&e->lock);
	is_open = e->loopback && !e->http && !e->found;
	pthread_mutex_unlock(&e->lock);
	return is_open;
}

void endpoint_found(struct endpoint *e, bool tls)
{
	pthread_mutex_lock(&e->lock);
	e->http = e->http || (e->loopback && !tls);
	e->found = true;
	pthread_mutex_unlock(&e->lock);
}

void endpoint_saw(struct endpoint *e, enum address_class c)
{
	pthread_mutex_lock(&e->lock);
	e->classes |= c;
	pthread_mutex_unlock(&e->lock);
}

static unsigned own_addresses(const struct endpoint *e, bool https)
{
	if (!https && !e->plain_http)
		return ADDRESS_LOOPBACK;
	return ADDRESS_PUBLIC | ADDRESS_PRIVATE | ADDRESS_LOOPBACK |
	       (e->link_local ? ADDRESS_LINK_LOCAL : 0U);
}

int endpoint_permit(
	struct endpoint *e, const char *url, struct http_request *q, bool *ret_own, struct err *err)
{
	struct origin own, there;
	char self[REFERENCE_REGISTRY_MAX + 16];
	bool http = is_http(e);
	unsigned classes;

	(void)str_format(self, sizeof(self), "%s://%s/", http ? "http" : "https", e->host);
	if (url_origin(self, &own, err) < 0 || url_origin(url, &there, err) < 0)
		return -1;
	*ret_own = url_origin_equal(&own, &there);
	q->ca = e->ca;
	q->n_ca = e->n_ca;
	q->ca_alone = *ret_own;
	q->insecure = *ret_own && e->insecure;
	if (*ret_own) {
		q->addresses = own_addresses(e, there.https);
		return 0;
	}
	if (!there.https && !http)
		return err_set(err, ERR_bad_input,
			"it sends us from https to http, to %s: that is refused", there.host);
	pthread_mutex_lock(&e->lock);
	classes = e->classes & (ADDRESS_PRIVATE | ADDRESS_LOOPBACK);
	pthread_mutex_unlock(&e->lock);
	q->addresses = ADDRESS_PUBLIC | classes;
	if (!there.https && !e->plain_http)
		q->addresses = classes & ADDRESS_LOOPBACK;
	return 0;
}

int endpoint_authorization(
	struct endpoint *e, char **ret, unsigned *ret_generation, struct err *err)
{
	char *copy = NULL;
	bool any;

	pthread_mutex_lock(&e->lock);
	any = e->authorization != NULL;
	if (any)
		copy = strdup(e->authorization);
	*ret_generation = e->generation;
	pthread_mutex_unlock(&e->lock);
	if (any && !copy)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot write a request");
	*ret = copy;
	return 0;
}
