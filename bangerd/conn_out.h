/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What waits to be sent on a connection, in order. */
#include <stddef.h>

#include "common/err.h"

struct conn_chunk;

struct conn_out {
	struct conn_chunk *first, **last;
	size_t waiting; /* bytes */
};

void conn_out_init(struct conn_out *out);
void conn_out_finish(struct conn_out *out); /* with the fds that wait */
size_t conn_out_waiting(const struct conn_out *out);

/* Send at once what the socket takes, and keep the rest. `fd` (or -1) is taken in any case, and
 * rides with the first byte. Fails with unavailable when the client is gone or without memory. */
int conn_out_send(
	struct conn_out *out, int sock, const char *line, size_t len, int fd, struct err *err);

/* Send what waits, as much as the socket takes: *ret_sent bytes of it. */
int conn_out_flush(struct conn_out *out, int sock, size_t *ret_sent, struct err *err);
