/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A lifecycle operation as one const list of steps. What fails is undone in reverse, the failing
 * step included; the progress a user sees is the same list. In a test build each step is a
 * failpoint (common/failpoint.h): OPERATION/STEP:before, :after and, where it has one, :undo.
 */
#include <stddef.h>

#include "common/err.h"

struct saga_step {
	const char *name; /* as users see it */
	int (*act)(void *ctx, struct err *err);
	/* Takes back what `act` did or half did; NULL when there is nothing. Must bear being called
	 * when `act` failed at its first line. Cannot fail: it logs. */
	void (*undo)(void *ctx);
};

struct saga {
	const char *name; /* of the operation */
	const struct saga_step *steps;
	size_t n;
};
#define SAGA(name, steps)                          \
	{                                          \
		(name), (steps), ARRAY_SIZE(steps) \
	}

/* Told before each step; `index` from 1 to `count`. */
typedef void (*saga_progress)(void *ctx, const char *step, unsigned index, unsigned count);

/*
 * Run the steps in order. Between them cancel_fd (-1: none) is looked at: readable is a failure
 * with cancelled. On failure the done ones are undone, last first, and the error is the failing
 * step's own.
 */
int saga_run(
	const struct saga *saga, void *ctx, int cancel_fd, saga_progress progress, struct err *err);
