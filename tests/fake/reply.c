/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"

#define TEXT 2048

void reply_finish(struct reply *r)
{
	free(r->body);
	r->body = NULL;
}

void reply_json(struct reply *r, struct json_object *o)
{
	reply_finish(r);
	r->status = 200;
	r->body = strdup(json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void fault(struct reply *r, const char *text)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();

	json_object_object_add(o, "fault_message", json_object_new_string(text));
	reply_json(r, o);
	r->status = 400;
}

void reply_fault(struct reply *r, const char *fmt, ...)
{
	char text[TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fault(r, text);
}

void reply_fault_os(struct reply *r, int sys, const char *fmt, ...)
{
	char text[TEXT];
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	n = strlen(text);
	snprintf(text + n, sizeof(text) - n, ": %s (os error %d)", strerror(sys), sys);
	fault(r, text);
}
