/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/http_reply.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/fake/behaviour.h"

#define HUGE (8 << 20)

static void pause_ms(uint32_t ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

void http_out_finish(struct http_out *o)
{
	free(o->bytes);
	o->bytes = NULL;
}

static void put(struct http_out *o, const char *bytes, size_t n)
{
	char *grown = realloc(o->bytes, o->len + n);

	if (!grown) { /* as good a way to misbehave as any */
		o->closing = true;
		return;
	}
	memcpy(grown + o->len, bytes, n);
	o->bytes = grown;
	o->len += n;
}

static ssize_t write_some(struct http_out *o, int fd)
{
	size_t n = o->slow_ms ? 1 : o->len - o->sent;

	if (o->slow_ms)
		pause_ms(o->slow_ms);
	return send(fd, o->bytes + o->sent, n, MSG_NOSIGNAL);
}

int http_out_flush(struct http_out *o, int fd)
{
	while (o->sent < o->len) {
		ssize_t n = write_some(o, fd);

		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return -1;
		o->sent += (size_t)n;
	}
	o->sent = o->len = 0;
	if (o->dying)
		_exit(1);
	return o->closing ? -1 : 1;
}

void http_effects(const char *method, const char *path, unsigned nth, struct http_effects *ret)
{
	*ret = (struct http_effects){ 0 };
	ret->set = behaviour_of(method, path, nth, &ret->ms);
}

static bool has(const struct http_effects *e, enum effect effect)
{
	return e->set >> effect & 1;
}

bool http_before(const struct http_effects *e, struct reply *r)
{
	if (has(e, EFFECT_DELAY))
		pause_ms(e->ms);
	if (has(e, EFFECT_DIE))
		_exit(1);
	if (has(e, EFFECT_FAULT) || has(e, EFFECT_STATUS500))
		reply_fault(r, "made to fail");
	if (has(e, EFFECT_BARE500) || has(e, EFFECT_STATUS500))
		r->status = 500;
	return !has(e, EFFECT_FAULT) && r->status != 500;
}

static void put_text(struct http_out *o, const struct reply *r)
{
	char head[256];
	int n = snprintf(head, sizeof(head),
		"HTTP/1.1 %d \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n", r->status);

	if (r->body)
		n += snprintf(head + n, sizeof(head) - (size_t)n,
			"Content-Type: application/json\r\nContent-Length: %zu\r\n",
			strlen(r->body));
	else if (r->status != 204)
		n += snprintf(head + n, sizeof(head) - (size_t)n, "Content-Length: 0\r\n");
	put(o, head, (size_t)n);
	put(o, "\r\n", 2);
	if (r->body)
		put(o, r->body, strlen(r->body));
}

static void put_huge(struct http_out *o)
{
	struct reply r = { .status = 200, .body = malloc(HUGE + 1) };

	if (!r.body)
		return;
	memset(r.body, ' ', HUGE);
	memcpy(r.body, "{}", 2);
	r.body[HUGE] = '\0';
	put_text(o, &r);
	reply_finish(&r);
}

void http_put_reply(struct http_out *o, const struct http_effects *e, const struct reply *r)
{
	static char half_json[] = "{\"firecracker_version\": \"1.16";
	size_t before = o->len;

	if (has(e, EFFECT_SILENT))
		return;
	if (has(e, EFFECT_CLOSE)) {
		o->closing = true;
		return;
	}
	if (has(e, EFFECT_GARBAGE))
		put(o, "\x16\x03\x01\x02 no HTTP\r\n\r\n", 16);
	else if (has(e, EFFECT_BADJSON))
		put_text(o, &(struct reply){ .status = 200, .body = half_json });
	else if (has(e, EFFECT_HUGE))
		put_huge(o);
	else
		put_text(o, r);
	if (has(e, EFFECT_EXTRA))
		put(o, "HTTP/1.1 204 \r\n\r\nmore", 21);
	if (has(e, EFFECT_HALF) || has(e, EFFECT_CUT))
		o->len = before + (o->len - before) / 2;
	o->closing |= has(e, EFFECT_CUT);
	o->dying |= has(e, EFFECT_DIEAFTER);
	if (has(e, EFFECT_SLOW))
		o->slow_ms = e->ms;
}
