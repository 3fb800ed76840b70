/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/fetch_url.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/str.h"

static void urlp(CURLU **u)
{
	curl_url_cleanup(*u);
}

static void curl_freep(char **p)
{
	curl_free(*p);
}

#define _cleanup_url_  _cleanup_(urlp)
#define _cleanup_curl_ _cleanup_(curl_freep)

static int refuse(const char *url, const char *why, struct err *err)
{
	char shown[161];

	(void)str_format(shown, sizeof(shown), "%.160s", url);
	str_sanitize(shown);
	return err_set(err, ERR_bad_input, "the URL '%s' %s", shown, why);
}

/* Parsed, and of a kind that may be asked. */
static int parse(const char *base, const char *s, CURLU **ret, struct err *err)
{
	_cleanup_url_ CURLU *u = curl_url();
	_cleanup_curl_ char *scheme = NULL, *host = NULL;
	char *user = NULL, *password = NULL;

	if (!u)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read a URL");
	if (strlen(s) > URL_MAX)
		return refuse(s, "is too long", err);
	if (!str_printable(s, false) || strpbrk(s, " \t") ||
		(base && curl_url_set(u, CURLUPART_URL, base, 0) != CURLUE_OK) ||
		curl_url_set(u, CURLUPART_URL, s, 0) != CURLUE_OK ||
		curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK)
		return refuse(s, "cannot be read", err);
	if (strcasecmp(scheme, "https") != 0 && strcasecmp(scheme, "http") != 0)
		return refuse(s, "is neither https nor http", err);
	/* libcurl takes escapes out of it. */
	if (curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK || !str_printable(host, false) ||
		strpbrk(host, " %"))
		return refuse(s, "names no host", err);
	if (curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_OK ||
		curl_url_get(u, CURLUPART_PASSWORD, &password, 0) == CURLUE_OK) {
		curl_free(user);
		curl_free(password);
		return err_set(err, ERR_bad_input, "a URL has a name or password in it");
	}
	curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
	*ret = TAKE_PTR(u);
	return 0;
}

static int text_of(CURLU *u, char **ret, struct err *err)
{
	_cleanup_curl_ char *s = NULL;
	char *copy;

	if (curl_url_get(u, CURLUPART_URL, &s, 0) != CURLUE_OK || strlen(s) > URL_MAX)
		return err_set(err, ERR_bad_input, "a URL cannot be read, or is too long");
	copy = strdup(s);
	if (!copy)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read a URL");
	*ret = copy;
	return 0;
}

int url_resolve(const char *base, const char *location, char **ret, struct err *err)
{
	_cleanup_url_ CURLU *u = NULL;

	return parse(base, location, &u, err) < 0 ? -1 : text_of(u, ret, err);
}

int url_origin(const char *url, struct origin *ret, struct err *err)
{
	_cleanup_curl_ char *scheme = NULL, *host = NULL, *port = NULL;
	_cleanup_url_ CURLU *u = NULL;
	struct origin o = { 0 };
	uint64_t n;

	if (parse(NULL, url, &u, err) < 0)
		return -1;
	if (curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
		curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
		curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
		!str_to_u64(port, 1, 65535, &n) || !host[0] ||
		!str_copy(o.host, sizeof(o.host), host))
		return refuse(url, "names no host", err);
	o.https = strcasecmp(scheme, "https") == 0;
	o.port = (uint16_t)n;
	for (char *c = o.host; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	*ret = o;
	return 0;
}

bool url_origin_equal(const struct origin *a, const struct origin *b)
{
	return a->https == b->https && a->port == b->port && strcmp(a->host, b->host) == 0;
}

int url_add_query(char **url, const char *name, const char *value, struct err *err)
{
	_cleanup_free_ char *pair = NULL;
	_cleanup_url_ CURLU *u = NULL;
	char *whole;

	if (asprintf(&pair, "%s=%s", name, value) < 0) {
		pair = NULL;
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot write a URL");
	}
	if (parse(NULL, *url, &u, err) < 0)
		return -1;
	/* libcurl escapes all behind the first '='. */
	if (curl_url_set(u, CURLUPART_QUERY, pair, CURLU_APPENDQUERY | CURLU_URLENCODE) !=
		CURLUE_OK)
		return refuse(*url, "takes no query", err);
	if (text_of(u, &whole, err) < 0)
		return -1;
	free(*url);
	*url = whole;
	return 0;
}
