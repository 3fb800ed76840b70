/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Waiting with a deadline, and with an fd that ends the wait: the only way an operation waits. */
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

struct wait {
	int cancel_fd;	      /* readable: give up with cancelled; -1: none */
	uint64_t deadline_ms; /* of wait_now_ms(); 0: none */
};

/* Milliseconds of CLOCK_MONOTONIC. */
uint64_t wait_now_ms(void);

/* A wait of `ms` from now. */
struct wait wait_ms(int cancel_fd, uint64_t ms);

/* What is left until the deadline, for poll(2): -1 without a deadline, 0 when it is over. */
int wait_left_ms(const struct wait *w);

/* True when cancel_fd is readable now; -1 never is. */
bool wait_cancelled(int cancel_fd);

/* Until fd has one of `events` or an error condition. Fails with cancelled, or with timeout:
 * "`what` did not answer in time". */
int wait_ready(int fd, short events, const struct wait *w, const char *what, struct err *err);
