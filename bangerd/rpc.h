/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The JSON-RPC server: connections, their requests on their way to a handler and back. Handlers are
 * declared in call.h. Main thread only.
 */
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

struct rpc;
struct services;

/* What happens when a client is gone; must not block. */
typedef void (*rpc_gone)(const struct services *services, uint64_t connection);

/* Serve on listen_fd (taken; listening, non-blocking). `services` must outlive it. */
int rpc_create(const struct services *services, int listen_fd, rpc_gone gone, struct rpc **ret,
	struct err *err);

/* Stop listening and close all connections: what their requests do is cancelled. Requests end with
 * the loop running; rpc_destroy() is for after that. */
void rpc_close(struct rpc *rpc);
void rpc_destroy(struct rpc *rpc); /* NULL is allowed */
