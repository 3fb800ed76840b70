/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The agent's one loop: edge-triggered fds and timers. One event is taken at a time, so that a
 * callback may remove and free any source or timer, its own too.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define container_of(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

struct source {
	int fd; /* -1: not watched */
	void (*ready)(struct source *s, uint32_t events);
};

struct timer {
	uint64_t at_ms; /* clock_ms(); 0: not set */
	void (*fire)(struct timer *t);
	struct timer *next;
};

struct loop {
	int epoll;
	struct timer *timers;
};

int loop_init(struct loop *l, struct err *err);

/* Watch s->fd for `events` (EPOLLIN, EPOLLOUT), edge-triggered: a callback reads or writes until
 * EAGAIN, or comes back to it by itself. */
int loop_watch(struct loop *l, struct source *s, uint32_t events, struct err *err);

/* Stop watching, close the fd, and set it to -1. Nothing happens when it is -1 already. */
void loop_close(struct loop *l, struct source *s);

/* Fire once, `ms` from now; a timer that was set is set anew. */
void loop_timer_set(struct loop *l, struct timer *t, uint64_t ms);
void loop_timer_clear(struct loop *l, struct timer *t);

/* One round: wait for an event or timer, and call back. */
int loop_turn(struct loop *l, struct err *err);
