/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What carries a session: a byte stream of the host's, whether a leased port or a connection, with
 * its frames. It is embedded in what owns the stream, which is told when the session is over.
 */
#include <stdbool.h>

#include "common/stream.h"
#include "guest/loop.h"

struct session;

struct carrier {
	struct source source; /* O_NONBLOCK; its callback is the owner's */
	struct stream *stream;
	struct session *session; /* NULL: none (any more) */
	/* The session has ended, and all it had to say is written. */
	void (*over)(struct carrier *c);
};

/* Write what was put. True when all of it is written; false when it is not: the owner hears of room
 * by its source, and has the session move. */
bool carrier_flush(struct carrier *c);

/* For the session: it came to nothing; its request is refused, and there may be another. */
void carrier_failed(struct carrier *c, uint32_t seq, const struct err *why);
