/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The ports 1…N, one session at a time each. A port is open only while it is leased: closed, it
 * costs nothing, and what a client left in it is gone.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/stream.h"
#include "guest/child.h"
#include "guest/loop.h"

struct session;
struct lease;

/* `tree` and `image` must outlive all leases. */
int lease_init(struct loop *loop, int tree, const struct image *image, struct err *err);

/* Open port k anew for the client that will connect, and put the nonce into it. Fails with busy
 * while a client is connected: it is an earlier session's. A session whose client is gone ends. */
int lease_take(unsigned k, const uint8_t nonce[STREAM_NONCE], struct err *err);

/* Write what the session put. True when all of it is written; false when it is not, and
 * session_move() will be called when that changes, or when the lease was dropped. */
bool lease_flush(struct lease *l);

/* The session has ended and all is written: the port is free. */
void lease_session_over(struct lease *l);

/* The session came to nothing: its request is refused, and there may be another. */
void lease_session_failed(struct lease *l, uint32_t seq, const struct err *why);
