/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Calls over a SEQPACKET socket: one request in flight, answered by a reply or an error; a worker
 * may send notices before its answer. Whatever the peer sends that the table does not allow breaks
 * the channel for good: every later call fails with unavailable.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/codec.h"
#include "common/err.h"

struct ipc;

/* Takes fd. The channel may be used by several threads; calls queue. */
int ipc_open(int fd, const struct protocol *p, struct ipc **ret, struct err *err);
void ipc_close(struct ipc *ch); /* NULL is allowed */
int ipc_fd(const struct ipc *ch);
bool ipc_broken(const struct ipc *ch);

/* Ask and wait. in and out are the message's structs; fds of `in` stay the caller's, those of
 * `out` become the caller's; views (bytes, strv) in `out` live until the next call. The request
 * carries the thread's operation (op below). */
int ipc_call(struct ipc *ch, uint16_t msg, const void *in, void *out, struct err *err);

/* The same for long work: `on_notice` gets each notice's message number and _in struct, in the
 * caller's thread; cancel_fd (or -1) becoming readable fails the call with cancelled and breaks the
 * channel; so does timeout_ms (or -1) without any packet, with timeout. */
typedef void (*ipc_notice_handler)(void *ctx, uint16_t msg, const void *in);
int ipc_call_long(struct ipc *ch, uint16_t msg, const void *in, void *out,
	ipc_notice_handler on_notice, void *ctx, int cancel_fd, int timeout_ms, struct err *err);

/* The operation that the calling thread's requests are marked with; 0 is none. */
void ipc_set_op(uint64_t op);

/* ---- serving ---- */
typedef int (*ipc_handler)(void *ctx, void *in, void *out, struct err *err);

/*
 * Receive one request, run its handler, answer. 1 on success (also when the handler failed: the
 * peer got the error), 0 at end of file, -1 when the channel is to be closed: the peer sent what
 * the table forbids, or the handler failed with ERR_protocol (it was not answered).
 * `before` (may be NULL) is told the message and op first, for logs.
 */
typedef void (*ipc_before)(void *ctx, const struct message *m, uint64_t op);
int ipc_serve(
	struct ipc *ch, const ipc_handler *handlers, void *ctx, ipc_before before, struct err *err);

/* Send a notice (from a handler at work, or any thread). */
int ipc_notify(struct ipc *ch, uint16_t msg, const void *in, struct err *err);
