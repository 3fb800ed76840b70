/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The bounded pool of workers. Threads start when there is work, and end after a while without.
 * No uid takes all of them, and no class of work starves the ones after it: of N workers a uid's
 * long works get at most N - N/4 - N/8, its calls N - N/4; urgent ones have N/4 threads beyond N
 * (of which a uid gets half), so that what ends a long work finds a worker. The last N/8 + 1 of
 * those for long works, N/8 of those for calls, and one of those for urgent ones (of eight workers
 * or more) begin only what is for a uid for which nothing runs: so two users together leave a third
 * one a worker. What the daemon does to keep VMs from harm (WORK_OWN) has four more, which no
 * request takes.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bangerd/loop.h"
#include "common/err.h"

enum work_class { WORK_LONG, WORK_CALL, WORK_URGENT, WORK_OWN, WORK__classes };

struct work;

/* One piece of work, inside the thing it is about. */
struct work_item {
	void (*run)(struct work_item *item);  /* in a worker */
	void (*done)(struct work_item *item); /* then on the loop; NULL: `run` may free the item */
	uid_t uid;			      /* whose share it takes */
	enum work_class class;
	uint64_t op; /* log_op() and the op of IPC requests while it runs */

	struct work_item *next; /* work.c's own, as is `task` */
	struct loop_task task;
};

/* `workers` is N above, 2 to 256. */
int work_create(struct loop *loop, unsigned workers, struct work **ret, struct err *err);

/* Wait until all that was submitted ran (also what is queued). Their `done` is posted, not run. */
void work_drain(struct work *work);
bool work_is_idle(struct work *work); /* nothing runs or waits */
void work_destroy(struct work *work); /* drains; NULL is allowed */

/* Fails with busy when the queue, or the uid's part of it, is full. From any thread. */
int work_submit(struct work *work, struct work_item *item, struct err *err);

/* For the daemon's own duties, which must not be lost: never refused. */
void work_submit_duty(struct work *work, struct work_item *item);
