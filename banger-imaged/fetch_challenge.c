/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/fetch_challenge.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "common/str.h"

/* RFC 9110, section 5.6.2 */
static bool is_token_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

struct reader {
	const char *p;
};

static void skip_blanks(struct reader *r)
{
	while (*r->p == ' ' || *r->p == '\t')
		r->p++;
}

static size_t token_length(const char *p)
{
	size_t n = 0;

	while (is_token_char(p[n]))
		n++;
	return n;
}

static bool take_token(struct reader *r, char *dst, size_t cap)
{
	size_t n = token_length(r->p);

	if (n == 0 || n >= cap)
		return false;
	memcpy(dst, r->p, n);
	dst[n] = '\0';
	r->p += n;
	return true;
}

static bool take_quoted(struct reader *r, char *dst, size_t cap)
{
	size_t n = 0;

	for (r->p++; *r->p != '"'; r->p++) {
		if (*r->p == '\\')
			r->p++;
		/* Blanks apart nothing that is not printable; at the end there is a NUL. */
		if ((unsigned char)*r->p < ' ' || *r->p == 0x7f || n + 1 >= cap)
			return false;
		dst[n++] = *r->p;
	}
	r->p++;
	dst[n] = '\0';
	return true;
}

static bool take_value(struct reader *r, char *dst, size_t cap)
{
	return *r->p == '"' ? take_quoted(r, dst, cap) : take_token(r, dst, cap);
}

/* Behind a scheme: base64 of its own, as Negotiate has it. */
static bool skip_token68(struct reader *r)
{
	const char *p = r->p;

	while (is_token_char(*p) || *p == '/')
		p++;
	if (p == r->p)
		return false;
	while (*p == '=')
		p++;
	while (*p == ' ' || *p == '\t')
		p++;
	if (*p && *p != ',')
		return false;
	r->p = p;
	return true;
}

/* Whether name, blanks, '=' come next, and no second '=': a parameter. */
static bool at_parameter(const struct reader *r)
{
	const char *p = r->p + token_length(r->p);

	if (p == r->p)
		return false;
	while (*p == ' ' || *p == '\t')
		p++;
	if (*p++ != '=')
		return false;
	while (*p == ' ' || *p == '\t')
		p++;
	return *p == '"' || is_token_char(*p);
}

/* One parameter; `into` is NULL when the scheme is nobody's. */
static bool take_parameter(struct reader *r, struct challenge *into, unsigned *seen)
{
	char name[64], value[CHALLENGE_TEXT_MAX + 1];
	const struct {
		const char *name;
		char *dst;
	} known[] = { { "realm", into ? into->realm : NULL },
		{ "service", into ? into->service : NULL },
		{ "scope", into ? into->scope : NULL } };

	if (!take_token(r, name, sizeof(name)))
		return false;
	skip_blanks(r);
	r->p++; /* '=' */
	skip_blanks(r);
	if (!take_value(r, value, sizeof(value)))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcasecmp(name, known[i].name) != 0)
			continue;
		if (*seen & (1U << i))
			return false;
		*seen |= 1U << i;
		if (known[i].dst)
			memcpy(known[i].dst, value, strlen(value) + 1);
	}
	return true;
}

/* The parameters of one challenge, each with the comma behind it. */
static bool take_parameters(struct reader *r, struct challenge *into)
{
	unsigned seen = 0;

	for (;;) {
		skip_blanks(r);
		if (*r->p == ',') {
			r->p++;
			continue;
		}
		if (!*r->p || !at_parameter(r))
			return true; /* the end, or the next scheme */
		if (!take_parameter(r, into, &seen))
			return false;
		skip_blanks(r);
		if (*r->p && *r->p != ',')
			return false;
	}
}

static bool take_challenge(struct reader *r, struct challenge *c)
{
	struct challenge *into = NULL;
	char scheme[64];

	if (!take_token(r, scheme, sizeof(scheme)) || (*r->p && !strchr(" \t,", *r->p)))
		return false;
	if (strcasecmp(scheme, "Basic") == 0) {
		c->basic = true;
	} else if (strcasecmp(scheme, "Bearer") == 0 && !c->bearer) {
		c->bearer = true;
		into = c;
	}
	skip_blanks(r);
	if (*r->p && *r->p != ',' && !at_parameter(r))
		return skip_token68(r);
	return take_parameters(r, into);
}

int challenge_parse(const char *s, struct challenge *ret, struct err *err)
{
	struct challenge c = { 0 };
	struct reader r = { s };

	for (;;) {
		while (*r.p == ' ' || *r.p == '\t' || *r.p == ',')
			r.p++;
		if (!*r.p)
			break;
		if (!take_challenge(&r, &c))
			return err_set(err, ERR_bad_input,
				"what it asks for (WWW-Authenticate) cannot be read");
	}
	*ret = c;
	return 0;
}

bool challenge_scope_is_pull(const char *scope)
{
	return str_starts(scope, "repository:") && str_ends(scope, ":pull") &&
	       !strpbrk(scope, " ,\"\\") && strlen(scope) > strlen("repository::pull");
}
