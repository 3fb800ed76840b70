/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A reply of Firecracker's API, from a VMM in a guest's hands: whole, byte by byte and in pieces it
 * is the same reply, or refused each time. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bangerd/http_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum verdict { REFUSED, UNFINISHED, COMPLETE };

static enum verdict feed(const char *data, size_t size, size_t piece, struct http_reply *ret)
{
	struct http_message *m;
	struct err err = ERR_INIT;
	enum verdict v = UNFINISHED;
	bool done = false;

	if (http_message_create(&m, &err) < 0)
		abort();
	for (size_t at = 0; at < size && v != REFUSED; at += piece) {
		size_t part = size - at < piece ? size - at : piece;

		/* What comes after a complete reply is for the caller to refuse. */
		if (done || http_message_feed(m, data + at, part, &done, &err) < 0)
			v = REFUSED;
	}
	if (v == REFUSED && !done && err.code != ERR_protocol)
		abort();
	if (v == UNFINISHED && done) {
		v = COMPLETE;
		http_message_take(m, ret);
	}
	http_message_destroy(m);
	return v;
}

static void check(const struct http_reply *r)
{
	if (r->status < 200 || r->status > 599 || r->body_len > HTTP_BODY_MAX)
		abort();
	if ((r->body_len > 0) != (r->body != NULL) || (r->status == 204 && r->body))
		abort();
	if (r->body && r->body[r->body_len] != '\0')
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t pieces[] = { 1, 13, 4096 };
	struct http_reply whole = { 0 };
	enum verdict v = feed((const char *)data, size, size + 1, &whole);

	if (v == COMPLETE)
		check(&whole);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct http_reply r = { 0 };

		if (feed((const char *)data, size, pieces[i], &r) != v ||
			r.status != whole.status || r.keep_alive != whole.keep_alive ||
			r.body_len != whole.body_len ||
			(r.body && memcmp(r.body, whole.body, r.body_len) != 0))
			abort();
		http_reply_finish(&r);
	}
	http_reply_finish(&whole);
	return 0;
}
