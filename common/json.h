/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* JSON from outside, by json-c, with what it lets through refused. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json_object.h>

#include "common/err.h"

static inline void json_putp(struct json_object **o)
{
	json_object_put(*o);
	*o = NULL;
}
#define _cleanup_json_ __attribute__((cleanup(json_putp)))

/*
 * One JSON text (RFC 8259) of exactly len bytes: nothing but blanks behind it, no NUL, valid UTF-8,
 * nested at most max_depth deep, no member twice in an object. The caller owns *ret (NULL for the
 * text `null`). Fails with parse_error.
 */
int json_parse(const char *s, size_t len, int max_depth, struct json_object **ret, struct err *err);

/* A member by its type: false (and *ret untouched) when it is not there or of another type. The
 * object keeps what *ret points to. Integers must be in [min, max], without a fraction. */
bool json_get_bool(struct json_object *o, const char *key, bool *ret);
bool json_get_u64(
	struct json_object *o, const char *key, uint64_t min, uint64_t max, uint64_t *ret);

/* A JSON string's text when it has no NUL in it and at most max bytes; NULL otherwise. */
const char *json_text(struct json_object *o, size_t max);
