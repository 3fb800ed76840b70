/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A client of an HTTP/1.1 API behind a local stream socket: one connection, kept, one request in
 * flight, JSON both ways. Every wait ends by its deadline or by its cancel fd.
 */
#include "bangerd/http_message.h"
#include "bangerd/wait.h"

#define HTTP_PATH_MAX	 128u
#define HTTP_REQUEST_MAX 16384u /* the body that goes with one */

struct http_client;

/* Takes fd, a connected socket. `who` (static) names the other end in messages. */
int http_client_open(int fd, const char *who, struct http_client **ret, struct err *err);
void http_client_close(struct http_client *c); /* NULL is allowed */

/*
 * Ask and wait for the reply, of whatever status; it becomes the caller's. `path` is of
 * [A-Za-z0-9/_.-]; body is NULL for none. Fails with unavailable when the other end is gone or its
 * last reply ended the connection, protocol, timeout, cancelled; the connection is of no more use
 * then. bad_request (a path or body that cannot be sent) leaves it.
 */
int http_client_request(struct http_client *c, const char *method, const char *path,
	const char *body, const struct wait *w, struct http_reply *ret, struct err *err);
