/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The daemon's socket: lines out and in, whatever they say, and fds with the first byte of theirs.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/fd_pass.h"

struct wire {
	int fd;	  /* non-blocking */
	char *in; /* what came, up to the first line that is not whole */
	size_t in_len, in_cap;
	int fds[FD_PASS_MAX]; /* that came, and nobody took */
	size_t n_fds;
};
#define WIRE_INIT        \
	{                \
		.fd = -1 \
	}

/* Fails with unavailable, unauthorized or bad_request (a path too long for a socket). */
int wire_open(const char *path, struct wire *ret, struct err *err);
void wire_close(struct wire *w); /* harmless on one that is WIRE_INIT */

/* All of a line, its newline included; waits. The fds stay the caller's. */
int wire_send(
	struct wire *w, const char *p, size_t n, const int *fds, size_t n_fds, struct err *err);

/* Read once, without waiting; on_line is told each line that is whole now, without its newline, and
 * ends it by failing. Any failure is the connection's end: what follows cannot be believed. */
typedef int (*wire_line)(void *ctx, const char *line, size_t n, struct err *err);
int wire_receive(struct wire *w, wire_line on_line, void *ctx, struct err *err);

/* The fds that a line says it has: the first is the caller's, others are nobody's and closed. With
 * n 0 *ret stays. */
int wire_take_fds(struct wire *w, int64_t n, int *ret, struct err *err);

/* That the daemon answered what it must not ("with …"). Gives -1. */
int wire_broken(struct err *err, const char *what);
