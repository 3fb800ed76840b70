/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * One client's connection: lines in, lines out, fds with their first bytes. It never blocks, and
 * what it holds is bounded, whatever the client does. Main thread only.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bangerd/rpc_decode.h"
#include "common/err.h"

struct conn;
struct loop;

/* Fds that came with the piece of bytes in which a line begins, and not taken by lines before it.
 * `exact`: no other line begins in that piece, so that they all are this line's. `stray`: some came
 * with later bytes of the line; they are closed already. */
struct conn_fds {
	int fd[RPC_FDS_MAX];
	size_t n;
	bool exact, stray;
};

struct conn_events {
	/* A line, without its newline. Fds that it takes are set to -1, from the first one on. */
	void (*line)(void *ctx, struct conn *c, const char *line, size_t len, struct conn_fds *fds);
	/* The client is gone, or was closed: the last event. The connection itself lives until its
	 * last reference does. */
	void (*closed)(void *ctx, struct conn *c);
};

struct conn_peer {
	uid_t uid;
	pid_t pid;
};

/* Takes fd (non-blocking). The reference is the caller's, to give back at `closed`. */
int conn_create(struct loop *loop, int fd, const struct conn_peer *peer, uint64_t id,
	const struct conn_events *events, void *ctx, struct conn **ret, struct err *err);
struct conn *conn_ref(struct conn *c);
void conn_unref(struct conn *c); /* NULL is allowed */

const struct conn_peer *conn_peer(const struct conn *c);
uint64_t conn_id(const struct conn *c); /* never reused in a run */

/* Send len bytes, which end with a newline, and an fd (or -1; taken) with the first of them. What
 * the socket does not take now waits; a client that lets too much of it wait is closed. */
void conn_send(struct conn *c, const char *line, size_t len, int fd);

/* The same for what may be lost: it is when something waits already. */
void conn_send_lossy(struct conn *c, const char *line, size_t len);

/* Close it from the loop, soon: with what waits to be sent, if the client takes it at once. */
void conn_close_soon(struct conn *c);
/* Close it now. */
void conn_close(struct conn *c);

/* Requests begun and not answered: when there are many, no more lines are read. */
void conn_request_begin(struct conn *c);
void conn_request_end(struct conn *c);

/* Close it when its client has taken nothing of what waits for 30 seconds; `now_ms` monotonic. */
void conn_check_stalled(struct conn *c, int64_t now_ms);
