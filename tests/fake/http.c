/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/http.h"

#include <errno.h>
#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"
#include "tests/fake/api.h"
#include "tests/fake/http_reply.h"
#include "tests/fake/loop.h"
#include "tests/fake/stamps.h"

#define CONNECTIONS 10
#define BODY_MAX    51200
#define URL_MAX	    1024

struct connection {
	struct source source;
	http_parser parser;
	char url[URL_MAX], body[BODY_MAX];
	size_t url_len, body_len;
	const char *problem; /* why the parser was stopped */
	struct http_out out;
	uint64_t busy_since; /* when what is being parsed was there */
};

static struct {
	struct source listener;
	struct machine *machine;
	struct connection *connections[CONNECTIONS];
	unsigned requests;
} server;

/* Where a connection, or NULL, stands; NULL when nowhere. */
static struct connection **find(const struct connection *c)
{
	for (size_t i = 0; i < CONNECTIONS; i++)
		if (server.connections[i] == c)
			return &server.connections[i];
	return NULL;
}

static void destroy(struct connection *c)
{
	*find(c) = NULL;
	loop_close(&c->source);
	http_out_finish(&c->out);
	free(c);
}

/* ---- the parser's callbacks ---- */

static struct connection *of(http_parser *p)
{
	return p->data;
}

static int stop(http_parser *p, const char *problem)
{
	of(p)->problem = problem;
	return -1; /* 1 would mean: without a body */
}

static int on_begin(http_parser *p)
{
	of(p)->url_len = of(p)->body_len = 0;
	return 0;
}

static int on_url(http_parser *p, const char *at, size_t n)
{
	struct connection *c = of(p);

	if (n >= URL_MAX - c->url_len)
		return stop(p, "Invalid URI.");
	memcpy(c->url + c->url_len, at, n);
	c->url_len += n;
	return 0;
}

static int on_headers(http_parser *p)
{
	static char too_large[128];

	switch ((int)p->method) {
	case HTTP_GET:
	case HTTP_PUT:
	case HTTP_PATCH:
	case HTTP_DELETE:
		break;
	default:
		return stop(p, "Unsupported HTTP method.");
	}
	if (p->http_major != 1 || p->http_minor > 1)
		return stop(p, "Unsupported HTTP version.");
	if (p->flags & F_CHUNKED)
		return stop(p, "Unsupported Transfer-Encoding.");
	if (p->content_length != UINT64_MAX && p->content_length > BODY_MAX) {
		snprintf(too_large, sizeof(too_large),
			"Request payload with size %llu is larger than the limit of %d allowed by "
			"server.",
			(unsigned long long)p->content_length, BODY_MAX);
		return stop(p, too_large);
	}
	return 0;
}

static int on_body(http_parser *p, const char *at, size_t n)
{
	struct connection *c = of(p);

	if (n > BODY_MAX - c->body_len)
		return stop(p, "The body is too long.");
	memcpy(c->body + c->body_len, at, n);
	c->body_len += n;
	return 0;
}

/* The path of "http://localhost/path" is "/path". */
static const char *path_of(const char *url)
{
	const char *host = strstr(url, "://");

	if (url[0] == '/' || !host)
		return url;
	host = strchr(host + 3, '/');
	return host ? host : "/";
}

static int on_complete(http_parser *p)
{
	struct connection *c = of(p);
	const char *method = http_method_str(p->method), *path;
	struct reply r = REPLY_INIT;
	struct http_effects e;

	c->url[c->url_len] = '\0';
	path = path_of(c->url);
	http_effects(method, path, ++server.requests, &e);
	if (http_before(&e, &r))
		api_answer(server.machine, method, path, c->body, c->body_len, &r);
	if (server.machine->state == MACHINE_RUNNING) {
		stamps_note(STAMP_START);
		stamps_busy_since(c->busy_since);
		stamps_write();
	}
	http_put_reply(&c->out, &e, &r);
	reply_finish(&r);
	return 0;
}

static const http_parser_settings settings = {
	.on_message_begin = on_begin,
	.on_url = on_url,
	.on_headers_complete = on_headers,
	.on_body = on_body,
	.on_message_complete = on_complete,
};

/* ---- connections ---- */

static void reset_parser(struct connection *c)
{
	http_parser_init(&c->parser, HTTP_REQUEST);
	c->parser.data = c;
	c->problem = NULL;
}

static void refuse(struct connection *c)
{
	struct reply r = { .status = 400 };
	const char *problem =
		c->problem ? c->problem : http_errno_description(HTTP_PARSER_ERRNO(&c->parser));

	/* The line break in a JSON string is the real one's too. */
	if (asprintf(&r.body,
		    "{ \"error\": \"%s\nAll previous unanswered requests will be dropped.\" }",
		    problem) < 0)
		r.body = NULL;
	http_put_reply(&c->out, &(struct http_effects){ 0 }, &r);
	reply_finish(&r);
	reset_parser(c);
}

/* False when the peer is gone. */
static bool take(struct connection *c)
{
	char buf[16384];
	ssize_t n = read(c->source.fd, buf, sizeof(buf));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	stamps_note(STAMP_FIRST);
	c->busy_since = stamps_now();
	if (http_parser_execute(&c->parser, &settings, buf, (size_t)n) != (size_t)n ||
		HTTP_PARSER_ERRNO(&c->parser) != HPE_OK)
		refuse(c);
	stamps_busy_since(c->busy_since);
	return true;
}

static void on_connection(struct source *s, uint32_t events)
{
	struct connection *c = container_of(s, struct connection, source);
	struct err err = ERR_INIT;
	int r;

	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !take(c)) {
		destroy(c);
		return;
	}
	r = http_out_flush(&c->out, s->fd);
	if (r < 0 || loop_change(s, r ? EPOLLIN : EPOLLIN | EPOLLOUT, &err) < 0)
		destroy(c);
}

static void turn_away(int fd)
{
	static const char full[] =
		"HTTP/1.1 503\r\nServer: Firecracker API\r\nConnection: close\r\n"
		"Content-Length: 40\r\n\r\n"
		"{ \"error\": \"Too many open connections\" }";

	/* One that does not read it is closed all the same. */
	if (send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return;
}

static void on_listener(struct source *s, uint32_t events)
{
	_cleanup_fd_ int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct connection *c, **place = find(NULL);
	struct err err = ERR_INIT;

	if (fd < 0)
		return;
	if (!place) {
		turn_away(fd);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return;
	reset_parser(c);
	c->source = (struct source){ TAKE_FD(fd), on_connection };
	*place = c;
	if (loop_watch(&c->source, EPOLLIN, &err) < 0)
		destroy(c);
}

int http_start(int listen_fd, struct machine *m, struct err *err)
{
	server.machine = m;
	server.listener = (struct source){ listen_fd, on_listener };
	return loop_watch(&server.listener, EPOLLIN, err);
}
