/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The main thread's loop: an sd-event loop, and a way for other threads to have something done on
 * it. Everything of sd-event is for the main thread alone.
 */
#include <stdint.h>

#include "common/err.h"

struct sd_event;
struct loop;

/* What another thread wants done on the loop. It lives inside the thing it is about, so that
 * posting cannot fail; it may be posted again (or freed) once `run` was entered, not before. */
struct loop_task {
	void (*run)(struct loop_task *task);
	struct loop_task *next; /* the loop's own */
};

int loop_create(struct loop **ret, struct err *err);
void loop_destroy(struct loop *loop); /* NULL is allowed */
struct sd_event *loop_event(struct loop *loop);

/* Run task->run on the main thread, soon, in the order of posting. From any thread. */
void loop_post(struct loop *loop, struct loop_task *task);

/* Serve until loop_end(). Fails when the loop itself does, or when it was ended by loop_fail(). */
int loop_run(struct loop *loop, struct err *err);

/* One turn, waiting for something to do for at most timeout_us: for the end, when what still runs
 * needs the loop. */
int loop_turn(struct loop *loop, uint64_t timeout_us, struct err *err);

/* End loop_run(): well, or with an error. Main thread. The first one counts. */
void loop_end(struct loop *loop);
void loop_fail(struct loop *loop, const struct err *why);
