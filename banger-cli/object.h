/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Members of objects that the daemon sent: what is absent or of another type reads as nothing. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

/* NULL when there is none. It lives as long as the object. */
const char *object_text(struct json_object *o, const char *name);
int64_t object_number(struct json_object *o, const char *name, int64_t otherwise);
bool object_flag(struct json_object *o, const char *name);

/* A member that is an object or an array, borrowed; NULL when there is none. */
struct json_object *object_child(struct json_object *o, const char *name);
struct json_object *object_array(struct json_object *o, const char *name);
size_t object_array_size(struct json_object *array); /* NULL has none */
