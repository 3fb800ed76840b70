/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* URLs that come from outside: of a redirect, of a token realm. By libcurl's own parser, so that
 * what is checked is what is asked. */
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

#define URL_MAX 8191

struct origin {
	bool https;
	char host[256]; /* lower case; of IPv6 in brackets */
	uint16_t port;
};

/* An absolute URL from `location`, as seen from `base` (NULL: it must be absolute itself), without
 * its fragment; the caller frees it. Fails with bad_input: other schemes than http and https, a
 * name or password in it, too long, none at all. */
int url_resolve(const char *base, const char *location, char **ret, struct err *err);

/* Whence; fails as above. */
int url_origin(const char *url, struct origin *ret, struct err *err);
bool url_origin_equal(const struct origin *a, const struct origin *b);

/* Add a query's part, escaped. *url is replaced. */
int url_add_query(char **url, const char *name, const char *value, struct err *err);
