/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The job server: one fresh process for each job (common/proto/imaged.tbl.h). It runs twice: one
 * starts workers, which parse and have neither a network nor a file by name; the other starts
 * banger-imaged-fetch, which has the network and its owner's blob cache, and parses what registries
 * answer. A filter is inherited, so neither server has what the other's children need.
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

#define SERVER_WORKERS_MAX 4 /* of each kind: brief, and not, of which half are for one owner */
#define SERVER_FETCHES_MAX 8 /* half of them for one owner */

struct server;

struct server_role {
	const char *program; /* of its children, beside the server's own */
	int program_fd;
	int cache_fd;		/* the directory of all blob caches; -1: the workers' server */
	enum confine_mode mode; /* of the children; as is `level` */
	enum log_level level;
};

/* Takes the role's fds. Blocks SIGCHLD. */
int server_create(const struct server_role *role, struct server **ret, struct err *err);
void server_destroy(struct server *s); /* NULL is allowed; children live on */

/* Serve bangerd on the SEQPACKET socket `fd` (taken) until it closes: 0 then, -1 when bangerd broke
 * the protocol. */
int server_run(struct server *s, int fd, struct err *err);
