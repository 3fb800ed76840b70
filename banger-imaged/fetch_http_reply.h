/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What an answer's header says, taken from libcurl and checked. */
#include <curl/curl.h>

#include "banger-imaged/fetch_http.h"

/* Fails with bad_input: a field that must stand once stands twice, is too long, or is none. */
int http_reply_read(CURL *curl, struct http_reply *ret, struct err *err);

/* Content-Range's value (RFC 9110, section 14.4): "bytes 5-9/10", "bytes 5-9/∗". */
bool http_reply_parse_range(const char *s, struct http_reply *r);

/* The registry's own words about an error, of its JSON body (OCI distribution-spec, "Error Codes"):
 * for people only. "" when there are none. */
void http_reply_set_message(struct http_reply *r, const char *body, size_t n);
