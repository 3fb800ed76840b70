/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/conn_out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/fd.h"
#include "common/fd_pass.h"

struct conn_chunk {
	struct conn_chunk *next;
	int fd; /* to go with the first byte; -1: none, or gone */
	size_t len, at;
	char text[];
};

void conn_out_init(struct conn_out *out)
{
	*out = (struct conn_out){ 0 };
	out->last = &out->first;
}

void conn_out_finish(struct conn_out *out)
{
	while (out->first) {
		struct conn_chunk *c = out->first;

		out->first = c->next;
		fd_closep(&c->fd);
		free(c);
	}
	conn_out_init(out);
}

size_t conn_out_waiting(const struct conn_out *out)
{
	return out->waiting;
}

/* The bytes sent, 0 when there is no room now; -1 with errno. */
static ssize_t send_now(int sock, const char *line, size_t len, int fd)
{
	ssize_t n;

	do
		n = fd_pass_send(sock, line, len, &fd, fd >= 0, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	/* ETOOMANYREFS: too many of our fds are on their way to clients that do not read. */
	return n < 0 && (errno == EAGAIN || errno == ETOOMANYREFS) ? 0 : n;
}

int conn_out_send(
	struct conn_out *out, int sock, const char *line, size_t len, int fd, struct err *err)
{
	struct conn_chunk *c;
	ssize_t n = 0;

	if (!out->first) {
		n = send_now(sock, line, len, fd);
		if (n < 0) {
			err_sys(err, ERR_unavailable, errno, "cannot send");
			fd_closep(&fd);
			return -1;
		}
		if (n > 0)
			fd_closep(&fd);
		if ((size_t)n == len)
			return 0;
	}
	c = malloc(sizeof(*c) + len - (size_t)n);
	if (!c) {
		fd_closep(&fd);
		return err_sys(err, ERR_unavailable, ENOMEM, "cannot keep an answer");
	}
	*c = (struct conn_chunk){ .fd = fd, .len = len - (size_t)n };
	memcpy(c->text, line + n, c->len);
	*out->last = c;
	out->last = &c->next;
	out->waiting += c->len;
	return 0;
}

int conn_out_flush(struct conn_out *out, int sock, size_t *ret_sent, struct err *err)
{
	size_t sent = 0;

	while (out->first) {
		struct conn_chunk *c = out->first;
		ssize_t n = send_now(sock, c->text + c->at, c->len - c->at, c->fd);

		if (n < 0)
			return err_sys(err, ERR_unavailable, errno, "cannot send");
		if (n == 0)
			break;
		fd_closep(&c->fd);
		c->at += (size_t)n;
		out->waiting -= (size_t)n;
		sent += (size_t)n;
		if (c->at < c->len)
			break;
		out->first = c->next;
		if (!out->first)
			out->last = &out->first;
		free(c);
	}
	*ret_sent = sent;
	return 0;
}
