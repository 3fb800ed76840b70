/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * One HTTP/1.1 reply (RFC 9112), read by libhttp-parser, with what that lets through refused: only
 * a final status, only a body of a length that was said before, nothing behind it. For replies to
 * GET, PUT and PATCH of an API; the other end may be in a guest's hands.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

#define HTTP_HEAD_MAX 8192u	     /* status line and header, with the empty line */
#define HTTP_BODY_MAX (1024u * 1024) /* of a reply */

struct http_reply {
	unsigned status; /* 200 … 599 */
	bool keep_alive; /* the peer takes another request on this connection */
	char *body;	 /* and a NUL behind it; NULL when there is none */
	size_t body_len;
};

void http_reply_finish(struct http_reply *r); /* may be called again */
#define _cleanup_http_reply_ __attribute__((cleanup(http_reply_finish)))

struct http_message; /* a reply while it comes in */

int http_message_create(struct http_message **ret, struct err *err);
void http_message_destroy(struct http_message *m); /* NULL is allowed */

/*
 * The next n bytes. *ret_done says that the reply is complete; nothing may be fed then. Fails with
 * protocol, saying what is wrong, also when bytes are left behind a complete reply; after a failure
 * the message is of no more use.
 */
int http_message_feed(
	struct http_message *m, const char *data, size_t n, bool *ret_done, struct err *err);

/* Of a complete reply; it becomes the caller's. */
void http_message_take(struct http_message *m, struct http_reply *ret);
