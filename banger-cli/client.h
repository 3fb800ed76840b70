/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A connection to the daemon: JSON-RPC 2.0, one message a line, fds with the first byte of theirs
 * (common/proto/rpc.tbl.h). Several requests may be on their way at once; each is waited for by its
 * id. Every wait also watches whatever else the caller names: signals, a directory being served.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/rpc_types.h"

struct client;
struct json_object;

/* An answer: its result object (never NULL), and the fd that came with it, or -1. */
struct reply {
	struct json_object *result;
	int fd;
};
void reply_finish(struct reply *r);
#define _cleanup_reply_ __attribute__((cleanup(reply_finish)))
#define REPLY_INIT       \
	{                \
		.fd = -1 \
	}

/* One `progress` notification. The text is cleaned; index counts from 1; 0 of what is not known. */
struct stage {
	char name[64];
	unsigned index, count;
	uint64_t done, total;
};

/* Something else to watch during a wait: ready() is called when the fd is readable or closed, and
 * ends the wait by failing. It may set fd to -1: no longer to be watched. */
struct watch {
	int fd;
	int (*ready)(struct watch *w, struct err *err);
	void *ctx;
};

struct client_wait {
	void (*on_stage)(void *ctx, const struct stage *s); /* or NULL */
	void *ctx;
	struct watch *watches;
	size_t n_watches;
};

/* Fails with unavailable, unauthorized or bad_request (a path too long for a socket). */
int client_open(const char *path, struct client **ret, struct err *err);
void client_closep(struct client **c);
#define _cleanup_client_ __attribute__((cleanup(client_closep)))

/* Send a request. `params` is taken, also on failure; NULL is none. The fds stay the caller's.
 * `progress`: ask for notifications. */
int client_send(struct client *c, enum rpc_method method, struct json_object *params,
	const int *fds, size_t n_fds, bool progress, uint64_t *ret_id, struct err *err);

/* Wait for the answer to request `id`. An error answer fails with its code and message. `w` may be
 * NULL. A wait that a watch ended may be taken up again. */
int client_wait(struct client *c, uint64_t id, const struct client_wait *w, struct reply *ret,
	struct err *err);

/* Without waiting, when client_fd() is readable: 1 and *ret when the request is answered, 0 when it
 * is not yet; -1 as client_wait(). */
int client_fd(const struct client *c);
int client_look(struct client *c, uint64_t id, struct reply *ret, struct err *err);

/* Send and wait. */
int client_call(struct client *c, enum rpc_method method, struct json_object *params,
	struct reply *ret, struct err *err);

/* The same with one parameter, a text. */
int client_ask(struct client *c, enum rpc_method method, const char *name, const char *value,
	struct reply *ret, struct err *err);
