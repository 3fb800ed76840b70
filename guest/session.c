/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "guest/wires.h"

#define CHUNK	       32768
#define CREDIT_STEP    65536
#define GRACE_MS       200
#define KILL_MS	       5000
#define PIPE_CAPACITY  65536
#define VEOF_CHARACTER 4

struct session *session_list;

uint32_t session_count(void)
{
	uint32_t n = 0;

	for (struct session *s = session_list; s; s = s->next)
		n += s->carrier != NULL;
	return n;
}

static bool is_full(void)
{
	unsigned n = 0;

	for (struct session *s = session_list; s; s = s->next)
		n++;
	return n >= SESSIONS_MAX;
}

static void destroy(struct session *s)
{
	struct session **p = &session_list;

	while (*p && *p != s)
		p = &(*p)->next;
	if (*p)
		*p = s->next;
	loop_timer_clear(s->loop, &s->grace);
	loop_timer_clear(s->loop, &s->again);
	loop_timer_clear(s->loop, &s->killer);
	if (s->ended)
		child_reap(s->pidfd.fd);
	loop_close(s->loop, &s->pidfd);
	loop_close(s->loop, &s->outcome);
	loop_close(s->loop, &s->input);
	loop_close(s->loop, &s->out.source);
	loop_close(s->loop, &s->errors.source);
	free(s->stdin_buf);
	free(s);
}

/* Everything is said: the carrier is free, the process reaped. */
static void over(struct session *s)
{
	struct carrier *c = s->carrier;

	destroy(s);
	if (c) {
		c->session = NULL;
		c->over(c);
	}
}

void session_signal(struct session *s, int signo)
{
	/* Until it is reaped the number is the group's own. */
	if (kill(-s->child.pid, signo) < 0 && errno != ESRCH)
		log_warning(
			"cannot signal process group %d: %s", (int)s->child.pid, strerror(errno));
}

/* ---- guest → host ---- */

/* Room for one chunk of output, and for what must always find room behind it. */
static bool has_room(const struct session *s)
{
	return stream_room(s->stream) >= CHUNK + 4096;
}

static bool put(struct session *s, uint16_t message, enum frame_kind kind, const void *st)
{
	struct err err = ERR_INIT;

	if (stream_put(s->stream, message, kind, kind == FRAME_REPLY ? s->seq : 0, st, &err) == 0)
		return true;
	/* Room was asked for before: this is a mistake of ours, and the host must not wait. */
	log_error("session: %s", err.msg);
	return false;
}

static void read_output(struct session *s, struct output *o)
{
	static uint8_t buf[CHUNK];

	while (o->readable && o->source.fd >= 0 && has_room(s)) {
		ssize_t n = read(o->source.fd, buf, sizeof(buf));
		struct agent_stdout_data_in data = { { buf, n > 0 ? (uint32_t)n : 0 } };

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			o->readable = false;
			return;
		}
		/* A terminal ends with EIO when its last slave is closed. */
		if (n <= 0) {
			loop_close(s->loop, &o->source);
			return;
		}
		o->owed -= o->owed < (size_t)n ? o->owed : (size_t)n;
		put(s, o->message, FRAME_NOTICE, &data);
	}
}

static void put_credit(struct session *s)
{
	struct agent_stdin_credit_in credit = { s->uncredited };

	if (s->uncredited == 0 || (s->uncredited < CREDIT_STEP && s->stdin_len > s->stdin_at) ||
		stream_room(s->stream) < 1024)
		return;
	if (put(s, agent_msg_stdin_credit, FRAME_NOTICE, &credit))
		s->uncredited = 0;
}

static void put_exited(struct session *s)
{
	struct agent_exited_in in = { s->signaled ? exit_kind_signaled : exit_kind_exited,
		(uint32_t)s->status };

	if (s->finished || !s->ended || s->out.source.fd >= 0 || s->errors.source.fd >= 0 ||
		stream_room(s->stream) < 1024)
		return;
	s->finished = put(s, agent_msg_exited, FRAME_NOTICE, &in);
}

/* ---- host → guest ---- */

static int input_fd(const struct session *s)
{
	return s->tty ? s->out.source.fd : s->input.fd;
}

/* A terminal has no end of its own; the character says it, where the line discipline is the usual
 * one. */
static void write_veof(struct session *s)
{
	static const uint8_t veof = VEOF_CHARACTER;

	if (!s->veof_sent && s->out.source.fd >= 0)
		s->veof_sent = write(s->out.source.fd, &veof, 1) == 1;
}

static void write_input(struct session *s)
{
	while (s->stdin_len > s->stdin_at) {
		int fd = input_fd(s);
		size_t n = s->stdin_len - s->stdin_at;
		ssize_t w = fd < 0 ? -1 : write(fd, s->stdin_buf + s->stdin_at, n);

		if (w < 0 && fd >= 0 && errno == EINTR)
			continue;
		if (w < 0 && fd >= 0 && errno == EAGAIN)
			return;
		if (w < 0) {
			/* Nobody reads any more: what comes is dropped, and credited all the same.
			 */
			loop_close(s->loop, &s->input);
			w = (ssize_t)n;
		}
		s->stdin_at += (size_t)w;
		s->uncredited += (uint32_t)w;
	}
	s->stdin_at = s->stdin_len = 0;
	if (s->stdin_eof && s->tty)
		write_veof(s);
	else if (s->stdin_eof)
		loop_close(s->loop, &s->input);
}

static int take_input(struct session *s, const void *p, size_t n, struct err *err)
{
	if (s->stdin_eof)
		return err_set(err, ERR_protocol, "stdin behind its end");
	if (n > SESSION_STDIN_MAX - (s->stdin_len - s->stdin_at) - s->uncredited)
		return err_set(err, ERR_protocol, "more stdin than was credited");
	memmove(s->stdin_buf, s->stdin_buf + s->stdin_at, s->stdin_len - s->stdin_at);
	s->stdin_len -= s->stdin_at;
	s->stdin_at = 0;
	memcpy(s->stdin_buf + s->stdin_len, p, n);
	s->stdin_len += n;
	return 0;
}

static void resize(struct session *s, uint16_t rows, uint16_t columns)
{
	struct winsize w = { .ws_row = rows, .ws_col = columns };

	if (s->tty && s->out.source.fd >= 0 && ioctl(s->out.source.fd, TIOCSWINSZ, &w) < 0)
		log_warning("cannot resize a terminal: %s", strerror(errno));
}

int session_notice(struct session *s, uint16_t message, struct err *err)
{
	union {
		struct agent_stdin_data_in data;
		struct agent_stdin_eof_in eof;
		struct agent_resize_in size;
		struct agent_signal_in signal;
	} in;

	if (message != agent_msg_stdin_data && message != agent_msg_stdin_eof &&
		message != agent_msg_resize && message != agent_msg_signal)
		return err_set(err, ERR_protocol, "a notice that a session does not take");
	if (stream_decode(s->stream, &in, err) < 0)
		return -1;
	if (message == agent_msg_stdin_data) {
		if (take_input(s, in.data.data.p, in.data.data.n, err) < 0)
			return -1;
	} else if (message == agent_msg_stdin_eof) {
		s->stdin_eof = true;
	} else if (message == agent_msg_resize) {
		resize(s, in.size.rows, in.size.columns);
	} else {
		session_signal(s, in.signal.signo);
	}
	return 0;
}

/* ---- what moves it ---- */

void session_move(struct session *s)
{
	if (!s->carrier || !s->started)
		return;
	write_input(s);
	read_output(s, &s->out);
	read_output(s, &s->errors);
	put_credit(s);
	put_exited(s);
	if (!carrier_flush(s->carrier))
		return; /* dropped, or the host takes no more now: it will call again */
	if (s->finished)
		over(s);
	else if (s->out.readable || s->errors.readable || s->uncredited >= CREDIT_STEP)
		loop_timer_set(s->loop, &s->again, 0);
}

static void on_again(struct timer *t)
{
	session_move(container_of(t, struct session, again));
}

static void on_output(struct source *source, uint32_t events)
{
	struct output *o = container_of(source, struct output, source);

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		o->readable = true;
	session_move(o->session);
}

static void on_input(struct source *source, uint32_t events)
{
	session_move(container_of(source, struct session, input));
}

/* The process has ended and its outputs had their time: what other holders of them say from now on
 * is not heard, save what waits for room. */
static void on_grace(struct timer *t)
{
	struct session *s = container_of(t, struct session, grace);
	struct output *outputs[] = { &s->out, &s->errors };
	bool waiting = false;

	for (size_t i = 0; i < ARRAY_SIZE(outputs); i++) {
		if (outputs[i]->readable && outputs[i]->owed > 0)
			waiting = true;
		else
			loop_close(s->loop, &outputs[i]->source);
	}
	if (waiting)
		loop_timer_set(s->loop, &s->grace, GRACE_MS);
	session_move(s);
}

static void on_ended(struct source *source, uint32_t events)
{
	struct session *s = container_of(source, struct session, pidfd);

	if (s->ended || !child_ended(s->pidfd.fd, &s->signaled, &s->status))
		return;
	s->ended = true;
	if (s->failed) {
		destroy(s);
		return;
	}
	if (!s->carrier)
		return; /* the killer's timer ends it, with its group */
	s->out.owed = s->errors.owed = PIPE_CAPACITY;
	loop_timer_set(s->loop, &s->grace, GRACE_MS);
	session_move(s);
}

static void on_outcome(struct source *source, uint32_t events)
{
	struct session *s = container_of(source, struct session, outcome);
	struct err why = ERR_INIT;
	struct carrier *c;
	struct agent_exec_out out = { (uint32_t)s->child.pid };
	int r = child_outcome(s->outcome.fd, &why);

	loop_close(s->loop, &s->outcome);
	if (!s->carrier)
		return;
	if (r == 0) {
		s->started = put(s, agent_msg_exec, FRAME_REPLY, &out);
		session_move(s);
		return;
	}
	/* Nothing of it was heard; its zombie is all there is left. */
	c = s->carrier;
	s->carrier = NULL;
	s->failed = true;
	carrier_failed(c, s->seq, &why);
	if (s->ended)
		destroy(s);
}

static void on_kill(struct timer *t)
{
	struct session *s = container_of(t, struct session, killer);

	session_signal(s, SIGKILL);
	if (s->ended || child_ended(s->pidfd.fd, &s->signaled, &s->status)) {
		s->ended = true;
		destroy(s);
		return;
	}
	/* A process in the kernel takes its time to die. */
	loop_timer_set(s->loop, &s->killer, KILL_MS);
}

void session_drop(struct session *s)
{
	if (!s->carrier)
		return;
	s->carrier = NULL;
	s->stream = NULL;
	loop_timer_clear(s->loop, &s->grace);
	loop_timer_clear(s->loop, &s->again);
	loop_close(s->loop, &s->input);
	loop_close(s->loop, &s->out.source);
	loop_close(s->loop, &s->errors.source);
	session_signal(s, SIGHUP);
	loop_timer_set(s->loop, &s->killer, KILL_MS);
}

/* ---- the beginning ---- */

static int start_child(struct session *s, int tree, const struct image *image,
	const struct agent_exec_in *in, struct wires *w, struct err *err)
{
	struct child_spec spec = { .image = image,
		.argv = in->argv,
		.environment = in->environment,
		.user = in->user.s,
		.directory = in->directory.s,
		.stdio = { w->child[0], w->child[1], w->child[2] },
		.tty = in->tty,
		.tree = tree };

	if (child_start(&spec, &s->child, err) < 0)
		return -1;
	s->pidfd.fd = s->child.pidfd;
	s->outcome.fd = s->child.status;
	return 0;
}

static int watch(struct session *s, struct wires *w, struct err *err)
{
	struct loop *l = s->loop;

	s->input.fd = TAKE_FD(w->agent[0]);
	s->out.source.fd = TAKE_FD(w->agent[1]);
	s->errors.source.fd = TAKE_FD(w->agent[2]);
	if (loop_watch(l, &s->pidfd, EPOLLIN, err) < 0 ||
		loop_watch(l, &s->outcome, EPOLLIN, err) < 0)
		return -1;
	if (s->tty)
		return loop_watch(l, &s->out.source, EPOLLIN | EPOLLOUT, err);
	if (loop_watch(l, &s->input, EPOLLOUT, err) < 0 ||
		loop_watch(l, &s->out.source, EPOLLIN, err) < 0)
		return -1;
	return loop_watch(l, &s->errors.source, EPOLLIN, err);
}

static struct session *make(struct loop *loop, struct carrier *carrier)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->loop = loop;
	s->carrier = carrier;
	s->stream = carrier->stream;
	s->pidfd = (struct source){ -1, on_ended };
	s->outcome = (struct source){ -1, on_outcome };
	s->input = (struct source){ -1, on_input };
	s->out = (struct output){ .source = { -1, on_output }, .message = agent_msg_stdout_data };
	s->errors =
		(struct output){ .source = { -1, on_output }, .message = agent_msg_stderr_data };
	s->out.session = s->errors.session = s;
	s->grace.fire = on_grace;
	s->again.fire = on_again;
	s->killer.fire = on_kill;
	s->stdin_buf = malloc(SESSION_STDIN_MAX);
	if (!s->stdin_buf) {
		free(s);
		return NULL;
	}
	return s;
}

int session_start(struct loop *loop, struct carrier *carrier, int tree, const struct image *image,
	uint32_t seq, const struct agent_exec_in *in, struct session **ret, struct err *err)
{
	struct session *s;
	struct wires w;
	int r;

	if (is_full())
		return err_set(err, ERR_busy, "the guest has %d sessions: end one, then try again",
			SESSIONS_MAX);
	s = make(loop, carrier);
	if (!s)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot start a session");
	s->seq = seq;
	s->tty = in->tty;
	r = in->tty ? wires_terminal(tree, in->rows, in->columns, &w, err) : wires_pipes(&w, err);
	if (r < 0) {
		destroy(s);
		return -1;
	}
	r = start_child(s, tree, image, in, &w, err);
	wires_close_child(&w);
	if (r < 0) {
		wires_close(&w);
		destroy(s);
		return -1;
	}
	s->next = session_list;
	session_list = s;
	if (watch(s, &w, err) < 0) {
		/* The carrier gets the error; the child gets what a dropped one gets. */
		session_drop(s);
		return -1;
	}
	*ret = s;
	return 0;
}
