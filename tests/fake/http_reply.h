/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Replies on their way out, and what the behaviour makes of them. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/fake/reply.h"

/* Bytes that wait for the peer, all zero at first. */
struct http_out {
	char *bytes;
	size_t len, sent;
	uint32_t slow_ms; /* a pause before each byte */
	bool closing;	  /* the connection ends once they are out */
	bool dying;	  /* the process does */
};

void http_out_finish(struct http_out *o);
/* Write what fits. 1: all is out; 0: some waits; -1: the connection is to be closed. */
int http_out_flush(struct http_out *o, int fd);

struct http_effects {
	uint32_t set; /* of behaviour_of() */
	uint32_t ms;
};

void http_effects(const char *method, const char *path, unsigned nth, struct http_effects *ret);
/* What comes before a request is done: waiting, dying. False: it is not to be done, r says what is
 * answered. */
bool http_before(const struct http_effects *e, struct reply *r);
void http_put_reply(struct http_out *o, const struct http_effects *e, const struct reply *r);
