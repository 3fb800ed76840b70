/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The ports 1…N, one session at a time each. A port is open only while it is leased: closed, it
 * costs nothing, and what a client left in it is gone.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/stream.h"
#include "guest/loop.h"

/* `tree` must outlive all leases; carry_init() comes first. */
void lease_init(struct loop *loop, int tree);

/* Open port k anew for the client that will connect, and put the nonce into it. Fails with busy
 * while a client is connected: it is an earlier session's. A session whose client is gone ends. */
int lease_take(unsigned k, const uint8_t nonce[STREAM_NONCE], struct err *err);
