/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "banger-cli/cli.h"
#include "banger-cli/news.h"
#include "banger-cli/signals.h"
#include "banger-cli/sink.h"
#include "banger-cli/tty.h"
#include "common/fd.h"
#include "common/proto_agent.h"
#include "common/str.h"
#include "common/stream.h"

/* Of standard input, unacknowledged (common/proto/agent.tbl.h). */
#define STDIN_WINDOW ((uint32_t)256 << 10)
#define STDIN_CHUNK  ((size_t)32 << 10)
/* Requests waiting to be written: beyond this, standard input waits; signals do not. */
#define PENDING_MAX ((size_t)64 << 10)
#define AGAIN_MS    2000 /* a signal repeated within this time kills */
#define GRACE_MS    5000 /* for a command whose terminal or reader is gone */

enum poll_slot { SLOT_STREAM, SLOT_SIGNALS, SLOT_STDIN, SLOT_SINK, SLOT_NEWS, SLOT__COUNT };

struct pump {
	const struct session *s;
	struct stream *stream;
	struct sink out, err;
	struct sink *to; /* where `data` goes; NULL: nothing is held */
	bytes data;	 /* of the current frame, not yet written */
	bool stdin_open;
	bool told_pipe;
	bool deaf; /* the guest's end reads no more */
	uint32_t unacknowledged;
	bool ended;
	int status;
	int end_signal; /* the session ends by this, at the deadline */
	uint64_t deadline_ms;
	int last_signal;
	uint64_t last_signal_ms;
	bool killed;
	uint8_t chunk[STDIN_CHUNK];
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- to the guest ---- */

static int put(struct pump *p, uint16_t msg, const void *in, struct err *err)
{
	return stream_put(p->stream, msg, FRAME_NOTICE, 0, in, err);
}

/* When even the room kept for them is full, the guest is not reading: the signal is lost, and its
 * repetition ends the session. */
static void send_signal(struct pump *p, int signo)
{
	struct agent_signal_in in = { .signo = (uint8_t)signo };
	struct err ignored = ERR_INIT;

	put(p, agent_msg_signal, &in, &ignored);
}

static void send_size(struct pump *p)
{
	struct agent_resize_in in;
	struct err ignored = ERR_INIT;

	tty_size(&in.rows, &in.columns);
	put(p, agent_msg_resize, &in, &ignored);
}

static int send_eof(struct pump *p, struct err *err)
{
	p->stdin_open = false;
	return put(p, agent_msg_stdin_eof, NULL, err);
}

static int on_stdin(struct pump *p, struct err *err)
{
	size_t room = STDIN_WINDOW - p->unacknowledged;
	struct agent_stdin_data_in in;
	ssize_t n = read(STDIN_FILENO, p->chunk, room < STDIN_CHUNK ? room : STDIN_CHUNK);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n < 0 && errno != EIO) /* the terminal is gone */
		cli_say("cannot read standard input: %s", strerror(errno));
	if (n <= 0)
		return send_eof(p, err);
	in.data = (bytes){ p->chunk, (uint32_t)n };
	p->unacknowledged += (uint32_t)n;
	return put(p, agent_msg_stdin_data, &in, err);
}

/* ---- signals ---- */

static void end_by(struct pump *p, int signo, uint64_t grace_ms)
{
	uint64_t at = now_ms() + grace_ms;

	if (p->end_signal && p->deadline_ms <= at)
		return;
	p->end_signal = signo;
	p->deadline_ms = at;
}

/* A signal that asks for the end, without a terminal in the guest. */
static void pass_on(struct pump *p, int signo)
{
	uint64_t now = now_ms();
	bool again = p->last_signal == signo && now - p->last_signal_ms < AGAIN_MS;

	p->last_signal = signo;
	p->last_signal_ms = now;
	if (p->killed && again) {
		end_by(p, signo, 0);
	} else if (again && signo != SIGHUP) {
		send_signal(p, SIGKILL);
		p->killed = true;
	} else {
		send_signal(p, signo);
	}
	if (signo == SIGHUP)
		end_by(p, signo, GRACE_MS);
}

static void on_signal(struct pump *p, int signo)
{
	if (signo == SIGWINCH || signo == SIGCONT) {
		if (signo == SIGCONT)
			tty_raw_again();
		if (p->s->tty)
			send_size(p);
	} else if (p->s->tty && (signo == SIGTERM || signo == SIGHUP)) {
		end_by(p, signo, 0);
	} else if (signals_ends(signo)) {
		pass_on(p, signo);
	} else {
		send_signal(p, signo);
	}
}

/* ---- from the guest ---- */

static int not_started(uint32_t sys)
{
	cli_say("cannot run the command in the guest: %s", strerror((int)(sys & 0xfff)));
	return sys == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

static void on_exited(struct pump *p, const struct agent_exited_in *in)
{
	p->ended = true;
	if (in->kind == exit_kind_exited)
		p->status = (int)(in->status & 0xff);
	else if (in->kind == exit_kind_signaled)
		p->status = EXIT_SIGNAL + (int)(in->status & 0x7f);
	else
		p->status = not_started(in->status);
}

static int on_credit(struct pump *p, uint32_t consumed, struct err *err)
{
	if (consumed > p->unacknowledged)
		return err_set(err, ERR_protocol, "the guest took more input than there was");
	p->unacknowledged -= consumed;
	return 0;
}

static int on_frame(struct pump *p, const struct header *h, struct err *err)
{
	union {
		struct agent_stdout_data_in out;
		struct agent_stderr_data_in err;
		struct agent_stdin_credit_in credit;
		struct agent_exited_in exited;
	} in;

	if (h->kind != FRAME_NOTICE ||
		(h->message != agent_msg_stdout_data && h->message != agent_msg_stderr_data &&
			h->message != agent_msg_stdin_credit && h->message != agent_msg_exited))
		return err_set(err, ERR_protocol, "the guest sent what is no part of a session");
	if (stream_decode(p->stream, &in, err) < 0)
		return -1;
	if (h->message == agent_msg_stdin_credit)
		return on_credit(p, in.credit.consumed, err);
	if (h->message == agent_msg_exited) {
		on_exited(p, &in.exited);
		return 0;
	}
	p->to = h->message == agent_msg_stdout_data ? &p->out : &p->err;
	p->data = h->message == agent_msg_stdout_data ? in.out.data : in.err.data;
	if (p->data.n == 0)
		p->to = NULL;
	return 0;
}

/* Take frames until there is none, or one whose data has to be written first. */
static int take_frames(struct pump *p, struct err *err)
{
	struct header h;
	int r;

	while (!p->to && !p->ended) {
		r = stream_next(p->stream, &h, err);
		if (r < 0)
			return -1;
		if (r == 0)
			return 0;
		if (on_frame(p, &h, err) < 0)
			return -1;
	}
	return 0;
}

static int on_stream(struct pump *p, struct err *err)
{
	struct err why = ERR_INIT;

	if (stream_feed(p->stream, p->s->stream, &why) < 0)
		return err_set(err, ERR_unavailable,
			"the session was lost before the command ended: %s (did the VM stop?)",
			why.msg);
	return take_frames(p, err);
}

/* Nobody reads what the command writes: as in a pipeline, it is told so. */
static void on_closed_sink(struct pump *p)
{
	if (p->told_pipe || p->to != &p->out)
		return;
	p->told_pipe = true;
	if (!p->s->tty)
		send_signal(p, SIGPIPE);
	end_by(p, p->s->tty ? SIGHUP : SIGPIPE, p->s->tty ? 0 : GRACE_MS);
}

static int on_sink(struct pump *p, struct err *err)
{
	ssize_t n = sink_write(p->to, p->data.p, p->data.n);

	if (n < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot write to standard %s",
			p->to == &p->out ? "output" : "error");
	if (p->to->closed)
		on_closed_sink(p);
	p->data.p = (const char *)p->data.p + n;
	p->data.n -= p->to->closed ? p->data.n : (uint32_t)n;
	if (p->data.n > 0)
		return 0;
	p->to = NULL;
	return take_frames(p, err);
}

/* ---- the loop ---- */

static void fill_slots(const struct pump *p, struct pollfd slots[SLOT__COUNT])
{
	bool room = p->unacknowledged < STDIN_WINDOW && stream_pending(p->stream) < PENDING_MAX;

	slots[SLOT_STREAM] = (struct pollfd){ .fd = p->s->stream };
	if (!p->to)
		slots[SLOT_STREAM].events |= POLLIN;
	if (stream_pending(p->stream) > 0 && !p->deaf)
		slots[SLOT_STREAM].events |= POLLOUT;
	/* Else a hang-up would be reported again and again while output is held. */
	if (slots[SLOT_STREAM].events == 0)
		slots[SLOT_STREAM].fd = -1;
	slots[SLOT_SIGNALS] = (struct pollfd){ .fd = p->s->signals, .events = POLLIN };
	slots[SLOT_STDIN] = (struct pollfd){ .fd = p->stdin_open && room ? STDIN_FILENO : -1,
		.events = POLLIN };
	slots[SLOT_SINK] = (struct pollfd){ .fd = p->to ? p->to->fd : -1, .events = POLLOUT };
	slots[SLOT_NEWS] = (struct pollfd){ .fd = news_fd(p->s->news), .events = POLLIN };
}

/* Milliseconds until the deadline; -1: there is none. */
static int time_left(const struct pump *p)
{
	uint64_t now = now_ms();

	if (!p->end_signal)
		return -1;
	return p->deadline_ms > now ? (int)(p->deadline_ms - now) : 0;
}

/* A guest that reads no more has ended, or will be seen to: its last frames come first. */
static void flush(struct pump *p)
{
	struct err gone = ERR_INIT;

	if (p->deaf || stream_flush(p->stream, p->s->stream, &gone) >= 0)
		return;
	p->deaf = true;
	p->stdin_open = false;
}

static int step(struct pump *p, struct err *err)
{
	struct pollfd slots[SLOT__COUNT];
	int signo;

	fill_slots(p, slots);
	if (poll(slots, SLOT__COUNT, time_left(p)) < 0)
		return errno == EINTR ? 0
				      : err_sys(err, ERR_operation_failed, errno, "cannot wait");
	while (slots[SLOT_SIGNALS].revents && (signo = signals_next(p->s->signals)) > 0)
		on_signal(p, signo);
	if (slots[SLOT_NEWS].revents)
		news_ready(p->s->news);
	if (slots[SLOT_SINK].revents && on_sink(p, err) < 0)
		return -1;
	if ((slots[SLOT_STREAM].revents & ~POLLOUT) && !p->to && on_stream(p, err) < 0)
		return -1;
	if (slots[SLOT_STDIN].revents && !p->ended && on_stdin(p, err) < 0)
		return -1;
	if (!p->ended)
		flush(p);
	return 0;
}

static int loop(struct pump *p, int *ret_signal, struct err *err)
{
	int r = 0;

	*ret_signal = 0;
	if (!p->stdin_open)
		r = send_eof(p, err);
	while (r == 0 && !p->ended && time_left(p) != 0)
		r = step(p, err);
	if (r < 0)
		return -1;
	if (p->ended)
		return p->status;
	*ret_signal = p->end_signal;
	return EXIT_SIGNAL + p->end_signal;
}

int session_run(const struct session *s, int *ret_signal, struct err *err)
{
	_cleanup_free_ struct pump *p = calloc(1, sizeof(*p));
	_cleanup_stream_ struct stream *stream = NULL;
	int status;

	if (!p)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot begin a session");
	if (fd_set_nonblock(s->stream, true) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot set up the session");
	if (stream_create(&agent_protocol, &stream, err) < 0)
		return -1;
	if (s->tty && !s->no_stdin && isatty(STDIN_FILENO) && tty_raw(STDIN_FILENO, err) < 0)
		return -1;
	p->s = s;
	p->stream = stream;
	p->stdin_open = !s->no_stdin;
	sink_init(&p->out, STDOUT_FILENO);
	sink_init(&p->err, STDERR_FILENO);
	status = loop(p, ret_signal, err);
	sink_finish(&p->out);
	sink_finish(&p->err);
	tty_restore();
	return status;
}
