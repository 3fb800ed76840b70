/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/http_client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"

struct http_client {
	int fd;
	const char *who;
	bool broken;
};

int http_client_open(int fd, const char *who, struct http_client **ret, struct err *err)
{
	struct http_client *c = calloc(1, sizeof(*c));

	if (!c || fd_set_nonblock(fd, true) < 0) {
		err_sys(err, ERR_operation_failed, c ? errno : ENOMEM, "cannot speak to %s", who);
		free(c);
		fd_closep(&fd);
		return -1;
	}
	c->fd = fd;
	c->who = who;
	*ret = c;
	return 0;
}

void http_client_close(struct http_client *c)
{
	if (!c)
		return;
	fd_closep(&c->fd);
	free(c);
}

static int hung_up(const struct http_client *c, struct err *err)
{
	return err_set(err, ERR_unavailable, "%s closed its connection", c->who);
}

/* Nothing may have come in since the last reply. */
static int check_silent(const struct http_client *c, struct err *err)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	ssize_t r;
	char byte;

	if (poll(&p, 1, 0) <= 0)
		return 0;
	r = read(c->fd, &byte, 1);
	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (r > 0)
		return err_set(err, ERR_protocol, "%s said something unasked", c->who);
	return hung_up(c, err);
}

static int send_all(const struct http_client *c, const char *text, size_t n, const struct wait *w,
	struct err *err)
{
	while (n > 0) {
		ssize_t r = send(c->fd, text, n, MSG_NOSIGNAL);

		if (r < 0 && errno == EAGAIN) {
			if (wait_ready(c->fd, POLLOUT, w, c->who, err) < 0)
				return -1;
			continue;
		}
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && (errno == EPIPE || errno == ECONNRESET))
			return hung_up(c, err);
		if (r < 0)
			return err_sys(err, ERR_unavailable, errno, "cannot write to %s", c->who);
		text += r;
		n -= (size_t)r;
	}
	return 0;
}

static int receive(
	const struct http_client *c, struct http_message *m, const struct wait *w, struct err *err)
{
	char buf[4096];
	bool done = false;

	while (!done) {
		ssize_t r;

		if (wait_ready(c->fd, POLLIN, w, c->who, err) < 0)
			return -1;
		r = read(c->fd, buf, sizeof(buf));
		if (r < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (r < 0 && errno != ECONNRESET)
			return err_sys(err, ERR_unavailable, errno, "cannot read from %s", c->who);
		if (r <= 0)
			return hung_up(c, err);
		if (http_message_feed(m, buf, (size_t)r, &done, err) < 0)
			return err_wrap(err, "%s's reply is not taken", c->who);
	}
	return 0;
}

static bool path_good(const char *path)
{
	size_t n =
		strspn(path, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_.-");

	return path[0] == '/' && path[n] == '\0' && n <= HTTP_PATH_MAX;
}

/* The whole request; the caller frees. */
static char *request_text(const char *method, const char *path, const char *body)
{
	char *text;
	int n;

	if (body)
		n = asprintf(&text,
			"%s %s HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
			"Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
			method, path, strlen(body), body);
	else
		n = asprintf(&text,
			"%s %s HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n",
			method, path);
	return n < 0 ? NULL : text;
}

static int exchange(const struct http_client *c, const char *text, const struct wait *w,
	struct http_reply *ret, struct err *err)
{
	struct http_message *m;
	int r;

	if (check_silent(c, err) < 0 || send_all(c, text, strlen(text), w, err) < 0 ||
		http_message_create(&m, err) < 0)
		return -1;
	r = receive(c, m, w, err);
	if (r == 0)
		http_message_take(m, ret);
	http_message_destroy(m);
	return r;
}

int http_client_request(struct http_client *c, const char *method, const char *path,
	const char *body, const struct wait *w, struct http_reply *ret, struct err *err)
{
	_cleanup_free_ char *text = NULL;

	if (!path_good(path) || (body && strlen(body) > HTTP_REQUEST_MAX))
		return err_set(err, ERR_bad_request, "cannot ask %s that", c->who);
	if (c->broken)
		return err_set(err, ERR_unavailable, "the connection to %s is broken", c->who);
	text = request_text(method, path, body);
	if (!text)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot ask %s", c->who);
	if (exchange(c, text, w, ret, err) < 0) {
		c->broken = true;
		return -1;
	}
	c->broken = !ret->keep_alive;
	return 0;
}
