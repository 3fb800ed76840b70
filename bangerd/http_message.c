/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/http_message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <http_parser.h>

#include "common/str.h"

struct http_message {
	http_parser parser;
	struct http_reply reply;
	size_t head; /* bytes fed before the header was complete */
	bool headers, done;
	const char *fault; /* why a callback stopped the parser */
	enum err_code code;
};

void http_reply_finish(struct http_reply *r)
{
	free(r->body);
	*r = (struct http_reply){ 0 };
}

static int refuse(http_parser *p, enum err_code code, const char *fault)
{
	struct http_message *m = p->data;

	m->fault = fault;
	m->code = code;
	return -1;
}

/* What is wrong with the header; NULL for nothing. 204 has no body, and needs no length. */
static const char *header_fault(const http_parser *p)
{
	bool length = p->flags & F_CONTENTLENGTH;

	if (p->http_major != 1 || p->http_minor != 1)
		return "another version of HTTP";
	if (p->status_code < 200 || p->status_code > 599)
		return "a status that is not final";
	if (p->uses_transfer_encoding || (p->flags & F_CHUNKED))
		return "a transfer encoding";
	if (p->upgrade || (p->flags & (F_UPGRADE | F_CONNECTION_UPGRADE)))
		return "a change of protocol";
	if (!length && p->status_code != 204)
		return "no length";
	if (length && p->status_code == 204 && p->content_length != 0)
		return "a body where none may be";
	if (length && p->content_length > HTTP_BODY_MAX)
		return "too long a body";
	return NULL;
}

static int on_headers_complete(http_parser *p)
{
	struct http_message *m = p->data;
	const char *fault = header_fault(p);

	if (fault)
		return refuse(p, ERR_protocol, fault);
	m->headers = true;
	m->reply.status = p->status_code;
	m->reply.keep_alive = http_should_keep_alive(p) != 0;
	if (p->status_code == 204 || p->content_length == 0)
		return 0;
	m->reply.body = malloc((size_t)p->content_length + 1);
	if (!m->reply.body)
		return refuse(p, ERR_operation_failed, "no memory for it");
	return 0;
}

/* The parser gives no more than the length that was said. */
static int on_body(http_parser *p, const char *at, size_t n)
{
	struct http_message *m = p->data;

	memcpy(m->reply.body + m->reply.body_len, at, n);
	m->reply.body_len += n;
	m->reply.body[m->reply.body_len] = '\0';
	return 0;
}

static int on_message_complete(http_parser *p)
{
	struct http_message *m = p->data;

	m->done = true;
	http_parser_pause(p, 1); /* else it would begin a second one */
	return 0;
}

int http_message_create(struct http_message **ret, struct err *err)
{
	struct http_message *m = calloc(1, sizeof(*m));

	if (!m)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read a reply");
	http_parser_init(&m->parser, HTTP_RESPONSE);
	m->parser.data = m;
	*ret = m;
	return 0;
}

void http_message_destroy(struct http_message *m)
{
	if (!m)
		return;
	http_reply_finish(&m->reply);
	free(m);
}

static int parse(struct http_message *m, const char *data, size_t n, struct err *err)
{
	static const http_parser_settings settings = {
		.on_headers_complete = on_headers_complete,
		.on_body = on_body,
		.on_message_complete = on_message_complete,
	};
	size_t used = http_parser_execute(&m->parser, &settings, data, n);
	enum http_errno e = HTTP_PARSER_ERRNO(&m->parser);

	if (m->done && used == n)
		return 0;
	if (m->done)
		return err_set(err, ERR_protocol, "bytes behind the reply");
	if (m->fault)
		return err_set(err, m->code, "%s", m->fault);
	if (e != HPE_OK || used != n)
		return err_set(err, ERR_protocol, "%s", http_errno_description(e));
	return 0;
}

int http_message_feed(
	struct http_message *m, const char *data, size_t n, bool *ret_done, struct err *err)
{
	size_t part = n;

	if (n == 0)
		return 0;
	/* The parser skips empty lines before a reply; there is nothing to skip. */
	if (m->head == 0 && data[0] != 'H')
		return err_set(err, ERR_protocol, "no HTTP");
	if (!m->headers) {
		if (part > HTTP_HEAD_MAX - m->head)
			part = HTTP_HEAD_MAX - m->head;
		m->head += part;
	}
	if (parse(m, data, part, err) < 0)
		return -1;
	if (!m->headers && m->head == HTTP_HEAD_MAX)
		return err_set(err, ERR_protocol, "too long a header");
	if (part < n && m->done)
		return err_set(err, ERR_protocol, "bytes behind the reply");
	if (part < n && parse(m, data + part, n - part, err) < 0)
		return -1;
	*ret_done = m->done;
	return 0;
}

void http_message_take(struct http_message *m, struct http_reply *ret)
{
	*ret = m->reply;
	m->reply = (struct http_reply){ 0 };
}
