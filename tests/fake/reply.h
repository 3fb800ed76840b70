/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What a request is answered: 204 without a body until something else is said. */
#include <json-c/json_object.h>

struct reply {
	int status;
	char *body; /* heap, or NULL */
};

#define REPLY_INIT            \
	{                     \
		.status = 204 \
	}

void reply_finish(struct reply *r);
/* 200 with a JSON text; the object stays the caller's. */
void reply_json(struct reply *r, struct json_object *o);
/* 400 with {"fault_message": …}. */
void reply_fault(struct reply *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same with ": No such file or directory (os error 2)" behind it. */
void reply_fault_os(struct reply *r, int sys, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
