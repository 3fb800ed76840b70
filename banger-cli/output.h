/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What list, show and status print of the daemon's objects. */
#include "banger-cli/values.h"
#include "common/err.h"

struct json_object;

/* As JSON, indented, with control characters escaped (json-c leaves DEL and C1 as they are). NULL
 * prints as an empty list. */
int output_json(struct json_object *o, struct err *err);

/* One member a line: "name: value"; lists and objects below their name. Of bytes also what they
 * come to, such as "1073741824 (1.0 GiB)". */
int output_members(struct json_object *o, struct err *err);

/* The member `name` of each object of a list, one a line. */
int output_ids(struct json_object *list, const char *name, struct err *err);

/* One id in a line of its own. */
int output_id(const char *id, struct err *err);

/* An answer's object `name`, what was made or found: its id in a line of its own, or as JSON. */
int output_made(struct json_object *result, const char *name, enum format format, struct err *err);

/* A member that is a moment (RFC 3339 in UTC, or seconds since the epoch) in local time, as
 * "2026-01-31 12:00", into buf; returns it. "" when o has no such member. */
const char *output_time(struct json_object *o, const char *name, char buf[64]);
