/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/ipc.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/fd.h"
#include "common/frame.h"
#include "common/str.h"

struct ipc {
	int fd;
	const struct protocol *protocol;
	pthread_mutex_t call_lock; /* held for a whole call */
	pthread_mutex_t send_lock; /* held for one packet, so that notices may cross replies */
	bool broken;
	uint32_t seq;
	uint8_t *in_buf;  /* what was received last: views point here */
	uint8_t *out_buf; /* under send_lock */
};

/* Structs of messages on the stack: the largest is checked when a channel opens. */
#define STRUCT_MAX 8192

static _Thread_local uint64_t thread_op;

void ipc_set_op(uint64_t op)
{
	thread_op = op;
}

int ipc_open(int fd, const struct protocol *p, struct ipc **ret, struct err *err)
{
	struct ipc *ch = calloc(1, sizeof(*ch));

	for (uint16_t i = 0; i < p->n_messages; i++)
		if (p->messages[i].in_size > STRUCT_MAX || p->messages[i].out_size > STRUCT_MAX) {
			free(ch);
			fd_closep(&fd);
			return err_set(
				err, ERR_operation_failed, "%s: a message is too large", p->name);
		}
	if (ch) {
		ch->in_buf = malloc(FRAME_MAX);
		ch->out_buf = malloc(FRAME_MAX);
	}
	if (!ch || !ch->in_buf || !ch->out_buf) {
		if (ch) {
			free(ch->in_buf);
			free(ch->out_buf);
		}
		free(ch);
		fd_closep(&fd);
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot open a channel");
	}
	ch->fd = fd;
	ch->protocol = p;
	pthread_mutex_init(&ch->call_lock, NULL);
	pthread_mutex_init(&ch->send_lock, NULL);
	*ret = ch;
	return 0;
}

void ipc_close(struct ipc *ch)
{
	if (!ch)
		return;
	fd_closep(&ch->fd);
	pthread_mutex_destroy(&ch->call_lock);
	pthread_mutex_destroy(&ch->send_lock);
	free(ch->in_buf);
	free(ch->out_buf);
	free(ch);
}

int ipc_fd(const struct ipc *ch)
{
	return ch->fd;
}

bool ipc_broken(const struct ipc *ch)
{
	return __atomic_load_n(&ch->broken, __ATOMIC_ACQUIRE);
}

static int fail_broken(struct ipc *ch)
{
	__atomic_store_n(&ch->broken, true, __ATOMIC_RELEASE);
	return -1;
}

static int send_message(struct ipc *ch, uint16_t msg, enum frame_kind kind, uint32_t seq,
	uint64_t op, const void *st, struct err *err)
{
	int fds[FRAME_FDS], r;
	size_t len, n_fds;

	pthread_mutex_lock(&ch->send_lock);
	r = codec_encode(ch->protocol, msg, kind, seq, op, st, ch->out_buf, FRAME_MAX, &len, fds,
		&n_fds, err);
	if (r == 0)
		r = frame_send(ch->fd, ch->out_buf, len, fds, n_fds, err);
	pthread_mutex_unlock(&ch->send_lock);
	return r;
}

int ipc_notify(struct ipc *ch, uint16_t msg, const void *in, struct err *err)
{
	return send_message(ch, msg, FRAME_NOTICE, 0, 0, in, err);
}

/* Receive a packet and check its header against its length and fds. 0 at end of file. */
static int receive(struct ipc *ch, struct header *h, int *fds, size_t *n_fds, struct err *err)
{
	size_t len;

	*n_fds = 0;
	if (frame_recv(ch->fd, ch->in_buf, FRAME_MAX, &len, fds, n_fds, err) < 0)
		return -1;
	if (len == 0) {
		fd_close_many(fds, *n_fds);
		return 0;
	}
	if (codec_header(ch->protocol, ch->in_buf, len, h, err) < 0) {
		fd_close_many(fds, *n_fds);
		return -1;
	}
	if (h->length != len || h->n_fds != *n_fds) {
		fd_close_many(fds, *n_fds);
		return err_set(err, ERR_protocol, "%s: a frame's length or fds are not as said",
			ch->protocol->name);
	}
	return 1;
}

static int wait_readable(struct ipc *ch, int cancel_fd, int timeout_ms, struct err *err)
{
	struct pollfd p[2] = { { .fd = ch->fd, .events = POLLIN },
		{ .fd = cancel_fd, .events = POLLIN } };

	for (;;) {
		int n = poll(p, 2, timeout_ms);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, ERR_operation_failed, errno, "cannot poll");
		if (n == 0)
			return err_set(err, ERR_timeout, "%s: no answer within %d s",
				ch->protocol->name, timeout_ms / 1000);
		if (p[1].revents)
			return err_set(err, ERR_cancelled, "cancelled");
		return 0;
	}
}

static int take_notice(struct ipc *ch, const struct header *h, int *fds, size_t n_fds,
	ipc_notice_handler on_notice, void *ctx, struct err *err)
{
	_Alignas(16) uint8_t st[STRUCT_MAX];

	if (!on_notice || codec_decode(ch->protocol, h, ch->in_buf, fds, n_fds, st, err) < 0) {
		fd_close_many(fds, n_fds);
		return on_notice ? -1
				 : err_set(err, ERR_protocol, "%s: a notice nobody asked for",
					   ch->protocol->name);
	}
	on_notice(ctx, h->message, st);
	codec_fds_close(&ch->protocol->messages[h->message], DIR_IN, st);
	return 0;
}

/* The answer to request `seq` of `msg`: 0, 1 when the peer answered with an error (in err, channel
 * fine), -1 when the channel is broken. */
static int take_answer(struct ipc *ch, uint16_t msg, uint32_t seq, const struct header *h, int *fds,
	size_t n_fds, void *out, struct err *err)
{
	struct err remote = ERR_INIT;

	if (h->message != msg || h->seq != seq || h->kind == FRAME_REQUEST) {
		fd_close_many(fds, n_fds);
		return err_set(
			err, ERR_protocol, "%s: an answer to another question", ch->protocol->name);
	}
	if (h->kind == FRAME_ERROR) {
		fd_close_many(fds, n_fds);
		if (codec_decode_error(h, ch->in_buf, &remote, err) < 0)
			return -1;
		*err = remote;
		return 1;
	}
	if (codec_decode(ch->protocol, h, ch->in_buf, fds, n_fds, out, err) < 0) {
		fd_close_many(fds, n_fds);
		return -1;
	}
	return 0;
}

static int call_locked(struct ipc *ch, uint16_t msg, const void *in, void *out,
	ipc_notice_handler on_notice, void *ctx, int cancel_fd, int timeout_ms, struct err *err)
{
	uint32_t seq = ++ch->seq;
	int fds[FRAME_FDS], r;
	struct header h;
	size_t n_fds;

	if (send_message(ch, msg, FRAME_REQUEST, seq, thread_op, in, err) < 0)
		/* What cannot be encoded was not sent: the channel is as it was. */
		return err->code == ERR_bad_request ? -1 : fail_broken(ch);
	for (;;) {
		if ((cancel_fd >= 0 || timeout_ms >= 0) &&
			wait_readable(ch, cancel_fd, timeout_ms, err) < 0)
			return fail_broken(ch);
		r = receive(ch, &h, fds, &n_fds, err);
		if (r == 0)
			err_set(err, ERR_unavailable, "%s: the peer is gone", ch->protocol->name);
		if (r <= 0)
			return fail_broken(ch);
		if (h.kind != FRAME_NOTICE)
			break;
		if (take_notice(ch, &h, fds, n_fds, on_notice, ctx, err) < 0)
			return fail_broken(ch);
	}
	r = take_answer(ch, msg, seq, &h, fds, n_fds, out, err);
	if (r < 0)
		return fail_broken(ch);
	return r == 0 ? 0 : -1;
}

int ipc_call_long(struct ipc *ch, uint16_t msg, const void *in, void *out,
	ipc_notice_handler on_notice, void *ctx, int cancel_fd, int timeout_ms, struct err *err)
{
	int r;

	pthread_mutex_lock(&ch->call_lock);
	if (ipc_broken(ch))
		r = err_set(err, ERR_unavailable, "%s: the channel is broken", ch->protocol->name);
	else
		r = call_locked(ch, msg, in, out, on_notice, ctx, cancel_fd, timeout_ms, err);
	pthread_mutex_unlock(&ch->call_lock);
	return r;
}

int ipc_call(struct ipc *ch, uint16_t msg, const void *in, void *out, struct err *err)
{
	return ipc_call_long(ch, msg, in, out, NULL, NULL, -1, -1, err);
}

static int send_error(struct ipc *ch, const struct header *h, const struct err *e, struct err *err)
{
	size_t len;
	int r;

	pthread_mutex_lock(&ch->send_lock);
	r = codec_encode_error(h->message, h->seq, h->op, e, ch->out_buf, FRAME_MAX, &len, err);
	if (r == 0)
		r = frame_send(ch->fd, ch->out_buf, len, NULL, 0, err);
	pthread_mutex_unlock(&ch->send_lock);
	return r;
}

/* Run the handler and answer; -1 when the channel is to be closed. */
static int dispatch(struct ipc *ch, const ipc_handler *handlers, void *ctx, const struct header *h,
	void *in, struct err *err)
{
	const struct message *m = &ch->protocol->messages[h->message];
	_Alignas(16) uint8_t out[STRUCT_MAX];
	struct err failure = ERR_INIT;
	int r;

	memset(out, 0, m->out_size);
	codec_fds_init(m, DIR_OUT, out);
	r = handlers[h->message](ctx, in, out, &failure);
	if (r < 0 && failure.code == ERR_protocol) {
		*err = failure;
		codec_fds_close(m, DIR_OUT, out);
		return -1;
	}
	if (r == 0)
		r = send_message(ch, h->message, FRAME_REPLY, h->seq, h->op, out, &failure);
	codec_fds_close(m, DIR_OUT, out);
	if (r < 0 && failure.code == ERR_unavailable && ipc_broken(ch))
		return -1;
	return r < 0 ? send_error(ch, h, &failure, err) : 0;
}

int ipc_serve(
	struct ipc *ch, const ipc_handler *handlers, void *ctx, ipc_before before, struct err *err)
{
	_Alignas(16) uint8_t in[STRUCT_MAX];
	const struct message *m;
	int fds[FRAME_FDS], r;
	struct header h;
	size_t n_fds;

	r = receive(ch, &h, fds, &n_fds, err);
	if (r <= 0)
		return r < 0 ? fail_broken(ch) : 0;
	m = &ch->protocol->messages[h.message];
	if (h.kind != FRAME_REQUEST) {
		fd_close_many(fds, n_fds);
		err_set(err, ERR_protocol, "%s: %s is no request", ch->protocol->name, m->name);
		return fail_broken(ch);
	}
	if (codec_decode(ch->protocol, &h, ch->in_buf, fds, n_fds, in, err) < 0) {
		fd_close_many(fds, n_fds);
		return fail_broken(ch);
	}
	if (before)
		before(ctx, m, h.op);
	ipc_set_op(h.op);
	r = dispatch(ch, handlers, ctx, &h, in, err);
	ipc_set_op(0);
	codec_fds_close(m, DIR_IN, in);
	return r < 0 ? fail_broken(ch) : 1;
}
