/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Bridges that stay for a moment after their owner's last VM. Taking one away waits for grace
 * periods of the kernel, 20 to 100 ms, and so would each `vm run --rm` of somebody who has no other
 * VM. They are in a note beside the ledger, for who starts after a crash.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "banger-netd/ledger.h"

#define IDLE_MAX 32
#define IDLE_MS	 2000

struct idle_bridge {
	uid_t owner;
	uint16_t subnet;
	uint64_t until_ms; /* CLOCK_MONOTONIC */
};

struct idle {
	struct idle_bridge list[IDLE_MAX]; /* the one that ends first is first */
	unsigned n;
};

/* Note that a bridge stays. False when it cannot be (the list is full, the note not written). */
bool idle_keep(struct idle *idle, struct ledger *l, uid_t owner, uint16_t subnet);

/* The owner's bridge is wanted again, or is gone: true when it was in the list, for that subnet. */
bool idle_take(struct idle *idle, struct ledger *l, uid_t owner, uint16_t subnet);

/* For poll(2): until the first one's time is over; -1 when there is none. */
int idle_wait_ms(const struct idle *idle);

/* Call `down` with the owner of each bridge whose time is over (with `all`: of each); they leave
 * the list whatever it returns, after which nobody but the owner's next VM looks for them. */
typedef int (*idle_down)(void *ctx, uid_t owner, struct err *err);
void idle_end(struct idle *idle, struct ledger *l, bool all, idle_down down, void *ctx);

/* At start: the same for those that an earlier netd noted. */
void idle_recover(struct ledger *l, idle_down down, void *ctx);
