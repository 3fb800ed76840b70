/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The job server: one fresh worker process for each job_start (common/proto/imaged.tbl.h).
 *
 * A worker is a program of its own, banger-imaged-worker, executed by an fd that was opened before
 * the server confined itself. So the idle server maps none of the parsers' libraries, and each job
 * gets an address space with a layout of its own: what a hostile image learns or breaks in one
 * worker is worth nothing in the next. The price is that the server's filter must let a program be
 * loaded; but the server reads nothing except bangerd's frames, and the worker that reads hostile
 * bytes narrows it at once to much less.
 */
#include "common/confine.h"
#include "common/err.h"
#include "common/log.h"

#define SERVER_WORKERS_MAX 4 /* beside as many brief ones */

struct server;

/* Takes worker_fd (the worker program). `mode` and `level` are those of the workers too.
 * Blocks SIGCHLD. */
int server_create(int worker_fd, enum confine_mode mode, enum log_level level, struct server **ret,
	struct err *err);
void server_destroy(struct server *s); /* NULL is allowed; workers live on */

/* Serve bangerd on the SEQPACKET socket `fd` (taken) until it closes: 0 then, -1 when bangerd broke
 * the protocol. */
int server_run(struct server *s, int fd, struct err *err);
