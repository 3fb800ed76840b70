/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/json.h"

#include <json-c/json.h>
#include <json-c/json_visit.h>
#include <limits.h>
#include <string.h>

/* How many object members a text has that json-c takes: its colons outside of strings. False for
 * what json-c takes even when it is strict: single quotes, NaN, Infinity, control
 * characters in strings. */
static bool members_in_text(const char *s, size_t len, size_t *ret)
{
	/* Of literals and numbers: RFC 8259, sections 2, 3 and 6. */
	static const char outside[] = "{}[]:,\"+-.0123456789eEtrufalsn \t\r\n";
	bool in_string = false;
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (in_string && s[i] == '\\')
			i++;
		else if (s[i] == '"')
			in_string = !in_string;
		else if (in_string ? (unsigned char)s[i] < 0x20 : !strchr(outside, s[i]))
			return false;
		else if (!in_string && s[i] == ':')
			n++;
	}
	*ret = n;
	return true;
}

static int count_member(struct json_object *o, int flags, struct json_object *parent,
	const char *key, size_t *index, void *n)
{
	(void)o;
	(void)parent;
	(void)index;
	if (key && !(flags & JSON_C_VISIT_SECOND))
		(*(size_t *)n)++;
	return JSON_C_VISIT_RETURN_CONTINUE;
}

/* json-c keeps the last of two members of one name and says nothing: then the tree has fewer
 * members than the text. */
static bool has_duplicates(struct json_object *o, const char *s, size_t len)
{
	size_t n = 0, said;

	if (!members_in_text(s, len, &said) || json_c_visit(o, 0, count_member, &n) != 0)
		return true;
	return n != said;
}

int json_parse(const char *s, size_t len, int max_depth, struct json_object **ret, struct err *err)
{
	struct json_tokener *t;
	struct json_object *o;
	enum json_tokener_error e;

	if (len == 0 || len > INT_MAX || memchr(s, '\0', len))
		return err_set(err, ERR_parse_error, "not valid JSON: empty, or with a NUL");
	t = json_tokener_new_ex(max_depth);
	if (!t)
		return err_set(err, ERR_operation_failed, "no memory for JSON");
	json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(t, s, (int)len);
	e = json_tokener_get_error(t);
	/* A number ends only with what follows it. */
	if (e == json_tokener_continue)
		o = json_tokener_parse_ex(t, "\n", 1);
	e = json_tokener_get_error(t);
	json_tokener_free(t);
	if (e != json_tokener_success) {
		json_object_put(o);
		return err_set(
			err, ERR_parse_error, "not valid JSON: %s", json_tokener_error_desc(e));
	}
	if (has_duplicates(o, s, len)) {
		json_object_put(o);
		return err_set(err, ERR_parse_error,
			"not valid JSON: a member stands twice, or a value is none");
	}
	*ret = o;
	return 0;
}

static bool member(
	struct json_object *o, const char *key, enum json_type type, struct json_object **ret)
{
	struct json_object *m;

	if (!json_object_is_type(o, json_type_object) || !json_object_object_get_ex(o, key, &m) ||
		!json_object_is_type(m, type))
		return false;
	*ret = m;
	return true;
}

const char *json_text(struct json_object *o, size_t max)
{
	size_t n;
	const char *s;

	if (!json_object_is_type(o, json_type_string))
		return NULL;
	s = json_object_get_string(o);
	n = (size_t)json_object_get_string_len(o);
	return n <= max && strlen(s) == n ? s : NULL;
}

bool json_get_bool(struct json_object *o, const char *key, bool *ret)
{
	struct json_object *m;

	if (!member(o, key, json_type_boolean, &m))
		return false;
	*ret = json_object_get_boolean(m);
	return true;
}

bool json_get_u64(struct json_object *o, const char *key, uint64_t min, uint64_t max, uint64_t *ret)
{
	struct json_object *m;
	uint64_t v;

	/* json-c clamps a negative number to 0 when it is asked for an unsigned one. */
	if (!member(o, key, json_type_int, &m) ||
		(json_object_get_int64(m) < 0 && json_object_get_uint64(m) == 0))
		return false;
	v = json_object_get_uint64(m);
	if (v < min || v > max)
		return false;
	*ret = v;
	return true;
}
