/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/hybrid.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/agent_ports.h"
#include "common/fd.h"
#include "common/str.h"
#include "tests/fake/behaviour.h"
#include "tests/fake/loop.h"
#include "tests/fake/none_agent.h"

#define LINE_MAX_ 32
#define HOST_PORT 1073741824U

struct client {
	struct source source;
	struct client *next;
	uint32_t wants;
	char line[LINE_MAX_];
	size_t line_len;
	struct none_agent *agent; /* NULL before CONNECT, and for a client that is misled */
	bool misled;
};

static struct {
	struct source listener;
	struct client *clients;
	bool paused;
} hybrid;

static void destroy(struct client *c)
{
	struct client **at = &hybrid.clients;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	loop_close(&c->source);
	none_agent_destroy(c->agent);
	free(c);
}

static bool want(struct client *c, uint32_t events)
{
	struct err err = ERR_INIT;

	c->wants = events;
	return hybrid.paused || loop_change(&c->source, events, &err) == 0;
}

static bool say(struct client *c, const char *text)
{
	return send(c->source.fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

/* Misled as the behaviour says; false: the client is to be closed. */
static bool mislead(struct client *c)
{
	c->misled = true;
	switch (behaviour.vsock) {
	case VSOCK_REFUSE:
	case VSOCK_GOOD:
	case VSOCK__count:
		return false;
	case VSOCK_JUNK:
		return say(c, "NO 17 what?\n");
	case VSOCK_CLOSE:
		say(c, "OK 1073741824\n");
		return false;
	case VSOCK_SILENT:
		return true;
	case VSOCK_FLOOD:
		return say(c, "OK 1073741824\n") && want(c, EPOLLIN | EPOLLOUT);
	}
	return false;
}

static bool connect_port(struct client *c)
{
	static uint32_t host_port = HOST_PORT;
	char ok[32];
	uint64_t port;

	if (!str_starts(c->line, "CONNECT ") || !str_to_u64(c->line + 8, 0, UINT32_MAX, &port))
		return false;
	if (behaviour.vsock != VSOCK_GOOD)
		return mislead(c);
	if (port != AGENT_VSOCK_CONTROL && port != AGENT_VSOCK_SESSION)
		return false;
	c->agent = none_agent_create(port == AGENT_VSOCK_CONTROL);
	snprintf(ok, sizeof(ok), "OK %u\n", host_port++);
	return c->agent && say(c, ok);
}

/* The line byte by byte: what is behind it is the port's. */
static bool take_line(struct client *c)
{
	char byte;

	while (read(c->source.fd, &byte, 1) == 1) {
		if (byte == '\n') {
			c->line[c->line_len] = '\0';
			return connect_port(c);
		}
		c->line[c->line_len++] = byte;
		if (c->line_len == sizeof(c->line))
			return false;
	}
	return errno == EAGAIN;
}

static bool flood(struct client *c)
{
	static const char bytes[65536];
	ssize_t n = send(c->source.fd, bytes, sizeof(bytes), MSG_NOSIGNAL);

	return n >= 0 || errno == EAGAIN;
}

static bool ignore(struct client *c)
{
	char dropped[4096];
	ssize_t n = read(c->source.fd, dropped, sizeof(dropped));

	return n > 0 || (n < 0 && errno == EAGAIN);
}

static bool move(struct client *c, uint32_t events)
{
	if (c->misled && (events & EPOLLOUT) && !flood(c))
		return false;
	if (c->misled)
		return !(events & ~(uint32_t)EPOLLOUT) || ignore(c);
	if (!c->agent && !take_line(c))
		return false;
	if (!c->agent)
		return true;
	switch (none_agent_move(c->agent, c->source.fd)) {
	case NONE_AGENT_IDLE:
		return want(c, EPOLLIN);
	case NONE_AGENT_FULL:
		return want(c, EPOLLIN | EPOLLOUT);
	case NONE_AGENT_OVER:
		break;
	}
	return false;
}

static void on_client(struct source *s, uint32_t events)
{
	struct client *c = container_of(s, struct client, source);

	if (!move(c, events))
		destroy(c);
}

static void on_listener(struct source *s, uint32_t events)
{
	_cleanup_fd_ int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *c;
	struct err err = ERR_INIT;

	if (fd < 0)
		return;
	c = calloc(1, sizeof(*c));
	if (!c)
		return;
	c->source = (struct source){ TAKE_FD(fd), on_client };
	c->wants = EPOLLIN;
	c->next = hybrid.clients;
	hybrid.clients = c;
	if (loop_watch(&c->source, EPOLLIN, &err) < 0)
		destroy(c);
}

int hybrid_start(int listen_fd, struct err *err)
{
	hybrid.listener = (struct source){ listen_fd, on_listener };
	return loop_watch(&hybrid.listener, EPOLLIN, err);
}

int hybrid_pause(bool pause, struct err *err)
{
	hybrid.paused = pause;
	if (hybrid.listener.ready && loop_change(&hybrid.listener, pause ? 0 : EPOLLIN, err) < 0)
		return -1;
	for (struct client *c = hybrid.clients; c; c = c->next)
		if (loop_change(&c->source, pause ? 0 : c->wants, err) < 0)
			return -1;
	return 0;
}
