/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Results as JSON. A failed allocation is remembered and reported by reply_end(). Text that is not
 * UTF-8 (a guest's, an image's) has its bad bytes replaced by U+FFFD.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/types.h"

struct json_object;

struct reply {
	struct json_object *object;
	bool failed;
};

void reply_begin(struct reply *r);				    /* an object */
void reply_begin_array(struct reply *r);			    /* an array: keys are NULL */
void reply_string(struct reply *r, const char *key, const char *v); /* NULL is null */
void reply_int(struct reply *r, const char *key, int64_t v);
void reply_bool(struct reply *r, const char *key, bool v);
/* Seconds since the epoch as "2026-01-31T12:00:00Z"; 0 is null. */
void reply_time(struct reply *r, const char *key, int64_t v);
void reply_strv(struct reply *r, const char *key, const strv *v);
void reply_null(struct reply *r, const char *key);
/* Takes `o`; NULL is a failed allocation. */
void reply_object(struct reply *r, const char *key, struct json_object *o);

/* The object, for reply_object(); NULL, with everything freed, when something failed. */
struct json_object *reply_take(struct reply *r);
/* The same as a result. */
int reply_end(struct reply *r, struct json_object **ret, struct err *err);
/* {KEY: o} as a result; `o` as of reply_object(). */
int reply_single(const char *key, struct json_object *o, struct json_object **ret, struct err *err);
/* For a path that gives up. */
void reply_drop(struct reply *r);

/* What VMs, images and kernels begin with: id, name, owner (the uid's name for people, or its
 * number, from a small cache), owner_uid. Thread-safe. */
void reply_owned(struct reply *r, const char *id, const char *name, uint32_t owner);
