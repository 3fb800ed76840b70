/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A job of one of the job servers (banger-imaged(8)): a process of its own, on a socket of its own.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

struct call;
struct ipc;
struct protocol;

struct job_start_how {
	/* Have the server start one that serves `socket`, which stays the caller's; its pid. */
	int (*ask)(const struct job_start_how *how, int socket, uint32_t *ret_pid, struct err *err);
	struct ipc *server;
	const struct protocol *protocol; /* that it speaks */
	const char *what;		 /* in messages */
	const char *waits;		 /* the stage that is told while others have all places */
	struct call *call;		 /* is told; NULL: nobody is */
	bool brief;
	int cancel_fd; /* or -1 */
};

/* The job's channel, with which it ends. When as many run as may, wait until one ends; fails with
 * cancelled when cancel_fd is readable first. */
int job_start(const struct job_start_how *how, struct ipc **ret, struct err *err);
