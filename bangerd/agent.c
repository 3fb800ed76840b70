/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/agent.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"
#include "common/stream.h"

/* A session's one request. */
#define EXEC_SEQ 1

struct agent {
	pthread_mutex_t lock;  /* held for a whole call */
	struct stream *stream; /* while connected: it is large */
	int fd;		       /* -1: not connected; written under the lock, atomically */
};

static void disconnect(struct agent *a)
{
	int old = __atomic_exchange_n(&a->fd, -1, __ATOMIC_RELAXED);

	fd_closep(&old);
	stream_destroyp(&a->stream);
}

int agent_create(struct agent **ret, struct err *err)
{
	struct agent *a = calloc(1, sizeof(*a));

	if (!a)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot speak to a guest");
	pthread_mutex_init(&a->lock, NULL);
	a->fd = -1;
	*ret = a;
	return 0;
}

void agent_destroy(struct agent *a)
{
	if (!a)
		return;
	disconnect(a);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

static struct stream_wait stream_wait_of(const struct wait *w)
{
	return (struct stream_wait){ wait_left_ms(w), w->cancel_fd };
}

/* The lock, until the deadline: whoever holds it has one too. */
static int lock_until(struct agent *a, const struct wait *w, struct err *err)
{
	struct timespec ts = { (time_t)(w->deadline_ms / 1000),
		(long)(w->deadline_ms % 1000) * 1000000 };

	if (w->deadline_ms == 0)
		return pthread_mutex_lock(&a->lock);
	if (pthread_mutex_clocklock(&a->lock, CLOCK_MONOTONIC, &ts) != 0)
		return err_set(err, ERR_timeout, "the guest's agent is busy");
	return 0;
}

static int call_locked(struct agent *a, enum agent_message msg, const void *in, void *out,
	const struct wait *w, struct err *err)
{
	struct stream_wait sw = stream_wait_of(w);
	struct err why = ERR_INIT;

	if (a->fd < 0)
		return err_set(err, ERR_unavailable, "the guest's agent is not connected");
	if (stream_call(a->stream, a->fd, (uint16_t)msg, in, out, &sw, &why) == 0)
		return 0;
	if (why.code == ERR_protocol || why.code == ERR_unavailable)
		disconnect(a);
	str_sanitize(why.msg);
	*err = why;
	return err_wrap(err, "the guest's agent");
}

int agent_call(struct agent *a, enum agent_message msg, const void *in, void *out,
	const struct wait *w, struct err *err)
{
	int r;

	if (lock_until(a, w, err) != 0)
		return -1;
	r = call_locked(a, msg, in, out, w, err);
	pthread_mutex_unlock(&a->lock);
	return r;
}

int agent_attach(
	struct agent *a, int fd, const struct wait *w, struct agent_hello_out *ret, struct err *err)
{
	struct agent_hello_in in;
	struct agent_hello_out out;
	int r;

	if (lock_until(a, w, err) != 0) {
		fd_closep(&fd);
		return -1;
	}
	disconnect(a);
	if (stream_create(&agent_protocol, &a->stream, err) < 0) {
		pthread_mutex_unlock(&a->lock);
		fd_closep(&fd);
		return -1;
	}
	__atomic_store_n(&a->fd, fd, __ATOMIC_RELAXED);
	r = call_locked(a, agent_msg_hello, &in, &out, w, err);
	if (r == 0 && out.version != AGENT_VERSION)
		r = err_set(err, ERR_bad_version,
			"the guest's agent speaks version %u, this daemon %u: import the kernel "
			"anew",
			out.version, AGENT_VERSION);
	if (r < 0)
		disconnect(a);
	else
		*ret = out;
	pthread_mutex_unlock(&a->lock);
	return r;
}

bool agent_attached(struct agent *a)
{
	/* Not by the lock, which a call holds for seconds. */
	return __atomic_load_n(&a->fd, __ATOMIC_RELAXED) >= 0;
}

void agent_detach(struct agent *a)
{
	pthread_mutex_lock(&a->lock);
	disconnect(a);
	pthread_mutex_unlock(&a->lock);
}

int agent_handshake(int fd, const uint8_t *nonce, const struct wait *w, struct err *err)
{
	_cleanup_stream_ struct stream *s = NULL;
	struct stream_wait sw = stream_wait_of(w);

	if (stream_create(&agent_protocol, &s, err) < 0)
		return -1;
	stream_begin(s, nonce);
	return stream_handshake(s, fd, &sw, err);
}

static int read_exactly(int fd, uint8_t *p, size_t n, const struct wait *w, struct err *err)
{
	while (n > 0) {
		ssize_t r = read(fd, p, n);

		if (r < 0 && (errno == EAGAIN || errno == EINTR)) {
			if (wait_ready(fd, POLLIN, w, "the guest's agent", err) < 0)
				return -1;
			continue;
		}
		if (r < 0)
			return err_sys(err, ERR_unavailable, errno, "cannot read from the guest");
		if (r == 0)
			return err_set(err, ERR_unavailable, "the guest's agent hung up");
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

/* A guest's error is about its own side: it cannot pose as one of ours. */
static int refused(const struct err *remote, struct err *err)
{
	enum err_code code = remote->code;

	if (code != ERR_not_found && code != ERR_bad_request && code != ERR_busy &&
		code != ERR_unauthorized && code != ERR_no_command && code != ERR_not_executable)
		code = ERR_operation_failed;
	err_set(err, code, "%s", remote->msg);
	str_sanitize(err->msg);
	return -1;
}

static int read_answer(int fd, struct agent_exec_out *out, const struct wait *w, struct err *err)
{
	uint8_t buf[FRAME_HEADER + 2 + 4 + 2 + TEXT_MAX];
	struct err remote = ERR_INIT;
	struct header h;

	if (read_exactly(fd, buf, FRAME_HEADER, w, err) < 0 ||
		codec_header(&agent_protocol, buf, FRAME_HEADER, &h, err) < 0)
		return -1;
	if (h.message != agent_msg_exec || h.seq != EXEC_SEQ || h.n_fds > 0 ||
		h.length > sizeof(buf) || (h.kind != FRAME_REPLY && h.kind != FRAME_ERROR))
		return err_set(err, ERR_protocol, "the guest's agent answered what was not asked");
	if (read_exactly(fd, buf + FRAME_HEADER, h.length - FRAME_HEADER, w, err) < 0)
		return -1;
	if (h.kind == FRAME_REPLY)
		return codec_decode(&agent_protocol, &h, buf, NULL, 0, out, err);
	if (codec_decode_error(&h, buf, &remote, err) < 0)
		return -1;
	return refused(&remote, err);
}

int agent_exec_begin(int fd, const struct agent_exec_in *in, struct agent_exec_out *out,
	const struct wait *w, struct err *err)
{
	_cleanup_stream_ struct stream *s = NULL;
	struct stream_wait sw = stream_wait_of(w);

	if (stream_create(&agent_protocol, &s, err) < 0)
		return -1;
	if (stream_send(s, fd, agent_msg_exec, FRAME_REQUEST, EXEC_SEQ, in, &sw, err) < 0)
		return -1;
	return read_answer(fd, out, w, err);
}
