/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* JSON of images: common/json.h, with messages that say what is wrong where. */
#include <json-c/json_object.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/json.h"
#include "common/types.h"

/* `what` names the text in messages. The caller puts the object. */
int image_json_parse(
	const char *text, size_t n, const char *what, struct json_object **ret, struct err *err);

/* Members of an object; one that is absent or null is *ret NULL. What is found lives as long as
 * the object. Fails with bad_input when it is of another type. */
int image_json_get(struct json_object *o, const char *key, enum json_type type,
	struct json_object **ret, struct err *err);
/* Strings have no NUL inside. */
int image_json_string(struct json_object *o, const char *key, const char **ret, struct err *err);

/* Those that must be there. */
int image_json_size(struct json_object *o, const char *key, uint64_t *ret, struct err *err);
int image_json_digest(struct json_object *o, const char *key, digest *ret, struct err *err);

/* The string at an array's place. */
int image_json_item(
	struct json_object *array, size_t at, const char *what, const char **ret, struct err *err);
