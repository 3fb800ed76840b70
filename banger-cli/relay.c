/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/relay.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "banger-cli/cli.h"
#include "banger-cli/filter.h"
#include "banger-cli/news.h"
#include "banger-cli/signals.h"
#include "banger-cli/sink.h"
#include "banger-cli/tty.h"
#include "common/str.h"

#define CHUNK	   ((size_t)16 << 10)
#define DETACH_KEY 0x1d /* Ctrl-] */

struct relaying {
	const struct relay *r;
	struct sink out;
	struct filter filter;
	bool input_open;
	bool ended;
	int status;
	/* What came and is not yet written, each way. */
	char from[CHUNK + FILTER_HELD], to[1024];
	size_t from_at, from_n, to_at, to_n;
};

static int on_stream(struct relaying *y, struct err *err)
{
	char raw[CHUNK];
	ssize_t n = read(y->r->stream, raw, sizeof(raw));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n < 0 && errno != ECONNRESET)
		return err_sys(err, ERR_unavailable, errno,
			"lost the stream (did the VM or the daemon stop?)");
	if (n <= 0) {
		y->ended = true;
		return 0;
	}
	y->from_at = 0;
	y->from_n = (size_t)n;
	if (y->r->filter)
		y->from_n = filter_run(&y->filter, raw, (size_t)n, y->from);
	else
		memcpy(y->from, raw, (size_t)n);
	return 0;
}

static int on_sink(struct relaying *y, struct err *err)
{
	ssize_t n = sink_write(&y->out, y->from + y->from_at, y->from_n);

	if (n < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot write to standard output");
	y->from_at += (size_t)n;
	y->from_n -= (size_t)n;
	y->ended = y->ended || y->out.closed;
	return 0;
}

static void on_input(struct relaying *y)
{
	ssize_t n = read(STDIN_FILENO, y->to, sizeof(y->to));
	char *detach;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n < 0 && errno != EIO) /* the terminal is gone */
		cli_say("cannot read standard input: %s", strerror(errno));
	if (n <= 0) {
		y->input_open = false;
		return;
	}
	detach = isatty(STDIN_FILENO) ? memchr(y->to, DETACH_KEY, (size_t)n) : NULL;
	y->to_at = 0;
	y->to_n = detach ? (size_t)(detach - y->to) : (size_t)n;
	y->ended = detach != NULL;
}

/* To the console. When its end is gone, reading will say so. */
static void on_writable(struct relaying *y)
{
	ssize_t n = send(y->r->stream, y->to + y->to_at, y->to_n, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		y->input_open = false;
		y->to_n = 0;
		return;
	}
	y->to_at += (size_t)n;
	y->to_n -= (size_t)n;
}

static void on_signals(struct relaying *y)
{
	int signo;

	while ((signo = signals_next(y->r->signals)) > 0) {
		if (signals_ends(signo)) {
			y->ended = true;
			y->status = EXIT_SIGNAL + signo;
		}
		if (y->r->input)
			tty_raw_again();
	}
}

static int step(struct relaying *y, struct err *err)
{
	short stream_events = (short)((y->from_n == 0 ? POLLIN : 0) | (y->to_n > 0 ? POLLOUT : 0));
	struct pollfd slots[] = {
		{ .fd = stream_events ? y->r->stream : -1, .events = stream_events },
		{ .fd = y->r->signals, .events = POLLIN },
		{ .fd = y->input_open && y->to_n == 0 ? STDIN_FILENO : -1, .events = POLLIN },
		{ .fd = y->from_n > 0 ? y->out.fd : -1, .events = POLLOUT },
		{ .fd = y->r->news ? news_fd(y->r->news) : -1, .events = POLLIN },
	};

	if (poll(slots, ARRAY_SIZE(slots), -1) < 0)
		return errno == EINTR ? 0
				      : err_sys(err, ERR_operation_failed, errno, "cannot wait");
	if (slots[1].revents)
		on_signals(y);
	if (slots[4].revents)
		news_ready(y->r->news);
	if (slots[3].revents && on_sink(y, err) < 0)
		return -1;
	if (slots[2].revents)
		on_input(y);
	if (slots[0].revents && y->to_n > 0)
		on_writable(y);
	if ((slots[0].revents & ~POLLOUT) && y->from_n == 0)
		return on_stream(y, err);
	return 0;
}

int relay_run(const struct relay *r, struct err *err)
{
	struct relaying y = { .r = r, .input_open = r->input };
	int status = 0;

	if (r->input && isatty(STDIN_FILENO) && tty_raw(STDIN_FILENO, err) < 0)
		return -1;
	sink_init(&y.out, STDOUT_FILENO);
	filter_init(&y.filter, tty_colours(stdout));
	while (status == 0 && !y.ended)
		status = step(&y, err);
	sink_finish(&y.out);
	tty_restore();
	return status < 0 ? -1 : y.status;
}
