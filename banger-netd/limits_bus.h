/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A connection to systemd's manager for one request. Functions of this file give 0 or a negative
 * errno, as sd-bus does, where no message is asked for.
 */
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "common/err.h"

/* A way to the service manager. */
struct limits_manager {
	const char *socket;
	bool bus;   /* by a message bus, else it is the manager itself that listens */
	pid_t peer; /* who must listen there, by its number here; 0: anyone in sight */
};

/* PID 1's private socket, which needs no message bus, and the system bus; ends with a NULL
 * socket. */
extern const struct limits_manager limits_managers[];

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
