/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Requests, from their lines to their answers. Main thread only, but for what a worker does with
 * its own.
 */
#include <stddef.h>

#include "bangerd/conn.h"

struct request;
struct services;

/* Requests under way, so that a closed connection's can be cancelled. */
struct request_list {
	struct request *first;
};

/* Begin the request on a line, and see to its answer. */
void request_begin(const struct services *services, struct request_list *list, struct conn *conn,
	const char *line, size_t len, struct conn_fds *fds);

/* The connection is gone: what its requests do is cancelled. */
void request_cancel_all(struct request_list *list, const struct conn *conn);
