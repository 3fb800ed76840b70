/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/object.h"

#include <json-c/json.h>

static struct json_object *member(struct json_object *o, const char *name, enum json_type type)
{
	struct json_object *value;

	if (!json_object_is_type(o, json_type_object) ||
		!json_object_object_get_ex(o, name, &value) || !json_object_is_type(value, type))
		return NULL;
	return value;
}

const char *object_text(struct json_object *o, const char *name)
{
	struct json_object *value = member(o, name, json_type_string);

	return value ? json_object_get_string(value) : NULL;
}

int64_t object_number(struct json_object *o, const char *name, int64_t otherwise)
{
	struct json_object *value = member(o, name, json_type_int);

	return value ? json_object_get_int64(value) : otherwise;
}

bool object_flag(struct json_object *o, const char *name)
{
	struct json_object *value = member(o, name, json_type_boolean);

	return value && json_object_get_boolean(value);
}

struct json_object *object_child(struct json_object *o, const char *name)
{
	return member(o, name, json_type_object);
}

struct json_object *object_array(struct json_object *o, const char *name)
{
	return member(o, name, json_type_array);
}

size_t object_array_size(struct json_object *array)
{
	return array ? json_object_array_length(array) : 0;
}
