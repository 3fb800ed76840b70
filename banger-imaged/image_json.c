/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/image_json.h"

#include <json-c/json_util.h>
#include <string.h>

#define DEPTH_MAX 32

int image_json_parse(
	const char *s, size_t n, const char *what, struct json_object **ret, struct err *err)
{
	struct json_object *o = NULL;

	if (json_parse(s, n, DEPTH_MAX, &o, err) < 0) {
		err->code = ERR_bad_input;
		return err_wrap(err, "%s", what);
	}
	if (!json_object_is_type(o, json_type_object) && !json_object_is_type(o, json_type_array)) {
		json_object_put(o);
		return err_set(
			err, ERR_bad_input, "%s is neither a JSON object nor an array", what);
	}
	*ret = o;
	return 0;
}

int image_json_get(struct json_object *o, const char *key, enum json_type type,
	struct json_object **ret, struct err *err)
{
	struct json_object *v = NULL;

	(void)json_object_object_get_ex(o, key, &v);
	if (v && !json_object_is_type(v, type))
		return err_set(err, ERR_bad_input, "'%s' is not of the type %s", key,
			json_type_to_name(type));
	*ret = v;
	return 0;
}

static int check_string(struct json_object *v, const char *what, const char **ret, struct err *err)
{
	const char *s = json_object_get_string(v);

	if (strlen(s) != (size_t)json_object_get_string_len(v))
		return err_set(err, ERR_bad_input, "'%s' has a NUL in it", what);
	*ret = s;
	return 0;
}

int image_json_string(struct json_object *o, const char *key, const char **ret, struct err *err)
{
	struct json_object *v;

	if (image_json_get(o, key, json_type_string, &v, err) < 0)
		return -1;
	if (v)
		return check_string(v, key, ret, err);
	*ret = NULL;
	return 0;
}

int image_json_size(struct json_object *o, const char *key, uint64_t *ret, struct err *err)
{
	struct json_object *v;
	int64_t n;

	if (image_json_get(o, key, json_type_int, &v, err) < 0)
		return -1;
	n = v ? json_object_get_int64(v) : -1;
	if (n < 0 || n == INT64_MAX)
		return err_set(err, ERR_bad_input, "'%s' is no size", key);
	*ret = (uint64_t)n;
	return 0;
}

int image_json_digest(struct json_object *o, const char *key, digest *ret, struct err *err)
{
	const char *s;

	if (image_json_string(o, key, &s, err) < 0)
		return -1;
	if (!s || !digest_parse(s, ret))
		return err_set(err, ERR_bad_input,
			"'%s' is no sha256 or sha512 digest (it is '%.80s')", key, s ? s : "");
	return 0;
}

int image_json_item(
	struct json_object *array, size_t at, const char *what, const char **ret, struct err *err)
{
	struct json_object *v = json_object_array_get_idx(array, at);

	if (!json_object_is_type(v, json_type_string))
		return err_set(err, ERR_bad_input, "'%s' has something else than strings", what);
	return check_string(v, what, ret, err);
}
