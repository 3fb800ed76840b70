/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A connection to systemd's manager for one request. Functions of this file give 0 or a negative
 * errno, as sd-bus does, where no message is asked for.
 */
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "banger-netd/limits_scope.h"
#include "common/err.h"

struct limits_bus {
	sd_bus *bus;
	bool by_bus;	  /* a message bus is in between */
	uint64_t end;	  /* µs of CLOCK_MONOTONIC: nothing takes longer */
	const char *unit; /* whose end is waited for (borrowed) */
	char job[128];	  /* whose end is waited for */

	bool unit_removed, job_removed, malformed; /* what signals told */
	char result[32];			   /* the job's */
};

/* The first of the managers that lets us in. Fails with unavailable. */
int limits_bus_open(const struct limits_manager *managers, int timeout_ms, struct limits_bus *ret,
	struct err *err);
void limits_bus_close(struct limits_bus *b);

/* A call of the manager's interface, without its arguments; the caller's. */
int limits_bus_message(struct limits_bus *b, const char *method, sd_bus_message **ret);
int limits_bus_call(
	struct limits_bus *b, sd_bus_message *m, sd_bus_error *error, sd_bus_message **ret_reply);

/* Wait for the end of b->job: b->result has how. -ETIMEDOUT, -EBADMSG or a lost connection's. */
int limits_bus_await_job(struct limits_bus *b);

/* Have a unit forgotten when it failed, and wait until the manager knows none of that name; one
 * that it never knew is fine. -ETIMEDOUT while something lives in it. */
int limits_bus_forget_unit(struct limits_bus *b, const char *unit);

/* True of an errno that says that the other end closed. */
bool limits_bus_is_lost(int r);
