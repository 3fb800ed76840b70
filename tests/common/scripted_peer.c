/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/common/scripted_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define LAST_WAIT_S 20 /* so that a test that goes wrong ends */

static void pause_ms(unsigned ms)
{
	const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

/* Whether what was heard from `start` on is one request. */
static bool complete(const struct scripted_peer *p, enum peer_manner manner, size_t start)
{
	const char *text = p->heard + start, *end, *length;

	if (manner == PEER_LINE)
		return strchr(text, '\n') != NULL;
	end = strstr(text, "\r\n\r\n");
	if (!end)
		return false;
	length = strcasestr(text, "Content-Length: ");
	return strlen(end + 4) >= (length && length < end ? strtoul(length + 16, NULL, 10) : 0);
}

/* False at end of file. */
static bool hear(struct scripted_peer *p)
{
	ssize_t r = read(p->fd, p->heard + p->heard_len, sizeof(p->heard) - 1 - p->heard_len);

	if (r <= 0)
		return false;
	p->heard_len += (size_t)r;
	p->heard[p->heard_len] = '\0';
	return true;
}

static bool say(struct scripted_peer *p, const struct peer_turn *turn)
{
	size_t n = strlen(turn->says);

	for (size_t at = 0; at < n;) {
		size_t part = turn->piece && n - at > turn->piece ? turn->piece : n - at;
		ssize_t r;

		pause_ms(turn->pause_ms);
		r = send(p->fd, turn->says + at, part, MSG_NOSIGNAL);
		if (r <= 0)
			return false;
		at += (size_t)r;
	}
	return true;
}

static void *run(void *arg)
{
	struct scripted_peer *p = arg;

	for (size_t i = 0; i < p->n; i++) {
		const struct peer_turn *turn = &p->turns[i];
		size_t start = p->heard_len;

		while (turn->manner != PEER_UNASKED && !complete(p, turn->manner, start))
			if (!hear(p))
				goto end;
		if (turn->says && !say(p, turn))
			goto end;
		if (turn->closes)
			goto end;
	}
	while (hear(p))
		;
end:
	close(p->fd);
	return NULL;
}

int scripted_peer_start(struct scripted_peer *p, const struct peer_turn *turns, size_t n)
{
	const struct timeval last = { .tv_sec = LAST_WAIT_S };
	int sv[2];

	memset(p, 0, sizeof(*p));
	p->turns = turns;
	p->n = n;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		abort();
	p->fd = sv[1];
	if (setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &last, sizeof(last)) < 0 ||
		setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &last, sizeof(last)) < 0 ||
		pthread_create(&p->thread, NULL, run, p) != 0)
		abort();
	return sv[0];
}

void scripted_peer_join(struct scripted_peer *p)
{
	pthread_join(p->thread, NULL);
}

char *scripted_reply(unsigned status, const char *body)
{
	char *text;
	int n;

	if (body)
		n = asprintf(&text,
			"HTTP/1.1 %u \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n"
			"Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
			status, strlen(body), body);
	else
		n = asprintf(&text,
			"HTTP/1.1 %u \r\nServer: Firecracker API\r\n"
			"Connection: keep-alive\r\n\r\n",
			status);
	if (n < 0)
		abort();
	return text;
}
