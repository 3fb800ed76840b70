/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/body.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/str.h"

#define DEPTH 32

/* Where what is wrong is said. */
struct complaint {
	char *text;
	size_t cap;
};

__attribute__((format(printf, 2, 3))) static bool complain(
	struct complaint *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->text, c->cap, fmt, ap);
	va_end(ap);
	return false;
}

static const struct member *find_member(const struct body *b, const char *name)
{
	for (const struct member *m = b->members; m < b->members + ARRAY_SIZE(b->members); m++)
		if (str_eq(m->name, name))
			return m;
	return NULL;
}

static bool unknown(const struct body *b, const char *name, struct complaint *c)
{
	char known[512] = "";

	for (const struct member *m = b->members; m->name; m++)
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s`%s`",
			*known ? ", " : "", m->name);
	return complain(c, "unknown field `%s`, expected one of %s", name, known);
}

static bool is_word(const struct member *m, const char *s)
{
	for (const char *const *w = m->words; *w; w++)
		if (str_eq(*w, s))
			return true;
	return false;
}

/* Six pairs of hex digits. */
static bool is_mac(const char *s)
{
	static const char hex[] = "0123456789abcdefABCDEF";

	if (strlen(s) != 17)
		return false;
	for (size_t i = 0; i < 17; i++)
		if (i % 3 == 2 ? s[i] != ':' : !strchr(hex, s[i]))
			return false;
	return true;
}

static bool is_texts(struct json_object *v)
{
	if (!json_object_is_type(v, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(v); i++)
		if (!json_object_is_type(json_object_array_get_idx(v, i), json_type_string))
			return false;
	return true;
}

static bool check_number(const struct member *m, struct json_object *v, struct complaint *c)
{
	if (!json_object_is_type(v, json_type_int))
		return complain(c, "invalid type: `%s` is no integer", m->name);
	if ((json_object_get_int64(v) < 0 && json_object_get_uint64(v) == 0) ||
		json_object_get_uint64(v) > m->max)
		return complain(c, "invalid value: integer `%s`, `%s` takes 0 to %llu",
			json_object_to_json_string(v), m->name, (unsigned long long)m->max);
	return true;
}

static bool check_text(const struct member *m, struct json_object *v, struct complaint *c)
{
	const char *s;

	if (!json_object_is_type(v, json_type_string))
		return complain(c, "invalid type: `%s` is no string", m->name);
	s = json_object_get_string(v);
	if (m->type == MEMBER_WORD && !is_word(m, s))
		return complain(c, "unknown variant `%s` of `%s`", s, m->name);
	if (m->type == MEMBER_MAC && !is_mac(s))
		return complain(c, "invalid value: string \"%s\", expected a MAC address", s);
	return true;
}

/* A value of any type but object. */
static bool check_plain(const struct member *m, struct json_object *v, struct complaint *c)
{
	switch (m->type) {
	case MEMBER_TEXT:
	case MEMBER_WORD:
	case MEMBER_MAC:
		return check_text(m, v, c);
	case MEMBER_NUMBER:
		return check_number(m, v, c);
	case MEMBER_BOOL:
		return json_object_is_type(v, json_type_boolean) ||
		       complain(c, "invalid type: `%s` is no boolean", m->name);
	case MEMBER_TEXTS:
		return is_texts(v) ||
		       complain(c, "invalid type: `%s` is no array of strings", m->name);
	case MEMBER_OBJECT:
		break;
	}
	return true;
}

/* One object. Those in it that are to be looked at come to inner[], *n of them: a limiter has two
 * buckets at most. */
struct inner {
	const struct body *body;
	struct json_object *value;
};
#define INNER 8

static bool check_object(const struct body *b, struct json_object *o, struct inner *inner,
	size_t *n, struct complaint *c)
{
	if (!json_object_is_type(o, json_type_object))
		return complain(c, "invalid type: expected an object");
	json_object_object_foreach(o, name, value)
	{
		const struct member *m = find_member(b, name);

		if (!m && b->open)
			continue;
		if (!m)
			return unknown(b, name, c);
		if (!value && !m->required && !m->never_null)
			continue;
		if (m->type == MEMBER_OBJECT) {
			if (*n == INNER)
				return complain(c, "too many objects in one");
			inner[(*n)++] = (struct inner){ m->body, value };
		} else if (!check_plain(m, value, c)) {
			return false;
		}
	}
	for (const struct member *m = b->members; m->name; m++)
		if (m->required && !json_object_object_get_ex(o, m->name, NULL))
			return complain(c, "missing field `%s`", m->name);
	return true;
}

static bool check(const struct body *b, struct json_object *o, struct complaint *c)
{
	struct inner inner[INNER] = { { b, o } };
	size_t n = 1;

	for (size_t i = 0; i < n; i++)
		if (!check_object(inner[i].body, inner[i].value, inner, &n, c))
			return false;
	return true;
}

struct json_object *body_parse(
	const struct body *b, const char *text, size_t len, char *why, size_t cap)
{
	_cleanup_json_ struct json_object *o = NULL;
	struct complaint c = { why, cap };
	struct err err = ERR_INIT;

	if (json_parse(text, len, DEPTH, &o, &err) < 0) {
		complain(&c, "%s", err.msg);
		return NULL;
	}
	return check(b, o, &c) ? TAKE_PTR(o) : NULL;
}
