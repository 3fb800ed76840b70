/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/fetch_http_reply.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/json.h"
#include "common/str.h"

#define CHALLENGES_MAX 16

/* A field's only value; *ret is NULL when it is not there. */
static int only(CURL *curl, const char *name, const char **ret, struct err *err)
{
	struct curl_header *h;

	*ret = NULL;
	if (curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &h) != CURLHE_OK)
		return 0;
	if (h->amount > 1)
		return err_set(
			err, ERR_bad_input, "the answer has %zu fields '%s'", h->amount, name);
	*ret = h->value;
	return 0;
}

static int copy_only(CURL *curl, const char *name, char *dst, size_t cap, struct err *err)
{
	const char *s;

	if (only(curl, name, &s, err) < 0)
		return -1;
	if (s && (!str_printable(s, false) || !str_copy(dst, cap, s)))
		return err_set(err, ERR_bad_input,
			"the answer's field '%s' is too long, or not printable", name);
	return 0;
}

static int set_type(CURL *curl, struct http_reply *r, struct err *err)
{
	char s[512] = "";
	size_t n;

	if (copy_only(curl, "Content-Type", s, sizeof(s), err) < 0)
		return -1;
	n = strcspn(s, "; \t");
	if (n >= sizeof(r->type))
		return err_set(err, ERR_bad_input, "the answer's media type is too long");
	for (size_t i = 0; i < n; i++)
		r->type[i] = s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] - 'A' + 'a') : s[i];
	return 0;
}

static int set_length(CURL *curl, struct http_reply *r, struct err *err)
{
	const char *s;

	if (only(curl, "Content-Length", &s, err) < 0)
		return -1;
	if (s && !str_to_u64(s, 0, INT64_MAX, &r->length))
		return err_set(err, ERR_bad_input, "the answer's Content-Length is none");
	r->has_length = s != NULL;
	return 0;
}

static int set_encoding(CURL *curl, struct http_reply *r, struct err *err)
{
	const char *s;

	if (only(curl, "Content-Encoding", &s, err) < 0)
		return -1;
	r->encoded = s && s[0] && strcasecmp(s, "identity") != 0;
	return 0;
}

static void add_challenges(CURL *curl, struct http_reply *r)
{
	struct curl_header *h;
	size_t at = 0;

	for (size_t i = 0; i < CHALLENGES_MAX; i++) {
		size_t n;

		if (curl_easy_header(curl, "WWW-Authenticate", i, CURLH_HEADER, -1, &h) !=
			CURLHE_OK)
			return;
		n = strlen(h->value);
		if (n + 3 > sizeof(r->challenges) - at)
			continue;
		if (at) {
			r->challenges[at++] = ',';
			r->challenges[at++] = ' ';
		}
		memcpy(r->challenges + at, h->value, n + 1);
		at += n;
	}
}

/* "123" up to `stop`; *s moves behind it. */
static bool take_number(const char **s, char stop, uint64_t *ret)
{
	size_t n = strspn(*s, "0123456789");
	char digits[24];

	if (n == 0 || n >= sizeof(digits) || (*s)[n] != stop)
		return false;
	memcpy(digits, *s, n);
	digits[n] = '\0';
	*s += n + (stop ? 1 : 0);
	return str_to_u64(digits, 0, INT64_MAX, ret);
}

bool http_reply_parse_range(const char *s, struct http_reply *r)
{
	uint64_t from, to, total = 0;
	bool open;

	if (strncasecmp(s, "bytes ", 6) != 0)
		return false;
	s += 6;
	if (!take_number(&s, '-', &from) || !take_number(&s, '/', &to) || from > to)
		return false;
	open = strcmp(s, "*") == 0;
	if (!open && (!take_number(&s, '\0', &total) || to >= total))
		return false;
	r->has_range = true;
	r->range_from = from;
	r->range_to = to;
	r->has_range_total = !open;
	r->range_total = total;
	return true;
}

static int set_range(CURL *curl, struct http_reply *r, struct err *err)
{
	const char *s;

	if (only(curl, "Content-Range", &s, err) < 0)
		return -1;
	if (s && r->status == 206 && !http_reply_parse_range(s, r))
		return err_set(err, ERR_bad_input, "the answer's Content-Range is none");
	return 0;
}

int http_reply_read(CURL *curl, struct http_reply *ret, struct err *err)
{
	curl_off_t after = 0;
	struct http_reply *r = ret;

	*r = (struct http_reply){ 0 };
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &r->status);
	curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &after);
	r->retry_after_s = after > 0 ? (uint64_t)after : 0;
	if (set_type(curl, r, err) < 0 || set_length(curl, r, err) < 0 ||
		set_encoding(curl, r, err) < 0 || set_range(curl, r, err) < 0 ||
		copy_only(curl, "Location", r->location, sizeof(r->location), err) < 0 ||
		copy_only(curl, "Docker-Content-Digest", r->digest, sizeof(r->digest), err) < 0)
		return -1;
	add_challenges(curl, r);
	return 0;
}

void http_reply_set_message(struct http_reply *r, const char *body, size_t n)
{
	_cleanup_json_ struct json_object *o = NULL;
	struct json_object *list, *first, *v;
	const char *code = NULL, *message = NULL;
	struct err err = ERR_INIT;

	if (n == 0 || json_parse(body, n, 8, &o, &err) < 0 ||
		!json_object_object_get_ex(o, "errors", &list) ||
		!json_object_is_type(list, json_type_array))
		return;
	first = json_object_array_get_idx(list, 0);
	if (json_object_object_get_ex(first, "code", &v))
		code = json_text(v, 60);
	if (json_object_object_get_ex(first, "message", &v))
		message = json_text(v, 150);
	if (!str_format(r->message, sizeof(r->message), "%s%s%s", code ? code : "",
		    code && message ? ": " : "", message ? message : ""))
		r->message[0] = '\0';
	str_sanitize(r->message);
}
