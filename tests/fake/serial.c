/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/serial.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/json.h"
#include "tests/fake/loop.h"
#include "tests/fake/stamps.h"

#define NS_IN_MS 1000000

static struct {
	struct source guest, input;
	int out;
	uint64_t size, refill_ns, burst; /* the limiter's */
	uint64_t tokens, filled_ns;
} port = { .guest.fd = -1, .input.fd = -1, .out = -1 };

static uint64_t get_number(struct json_object *o, const char *key)
{
	uint64_t v = 0;

	json_get_u64(o, key, 0, UINT64_MAX / NS_IN_MS, &v);
	return v;
}

bool serial_is_limited(const struct machine *m)
{
	struct json_object *limiter;

	return m->serial && json_object_object_get_ex(m->serial, "rate_limiter", &limiter) &&
	       get_number(limiter, "size") > 0 && get_number(limiter, "refill_time") > 0;
}

/* How many of n bytes may pass now. */
static size_t spend(size_t n)
{
	uint64_t now = stamps_now(), passed = now - port.filled_ns, fresh, granted;

	if (passed > port.refill_ns)
		passed = port.refill_ns;
	fresh = (uint64_t)((long double)port.size * (long double)passed /
			   (long double)port.refill_ns);
	if (fresh > 0) {
		port.filled_ns = now;
		port.tokens = port.tokens + fresh < port.size ? port.tokens + fresh : port.size;
	}
	granted = port.tokens + port.burst < n ? port.tokens + port.burst : n;
	if (granted <= port.burst) {
		port.burst -= granted;
	} else {
		port.tokens -= granted - port.burst;
		port.burst = 0;
	}
	return (size_t)granted;
}

static void on_guest(struct source *s, uint32_t events)
{
	char data[16384];
	ssize_t n = read(s->fd, data, sizeof(data));

	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		loop_close(s);
		return;
	}
	/* What the reader has no room for is lost too. */
	if (n > 0 && write(port.out, data, spend((size_t)n)) < 0)
		return;
}

static void on_input(struct source *s, uint32_t events)
{
	char data[256];
	ssize_t n = read(s->fd, data, sizeof(data));

	if (n == 0 || (n < 0 && errno != EAGAIN) ||
		(n > 0 && send(port.guest.fd, data, (size_t)n, MSG_NOSIGNAL) < 0))
		loop_close(s);
}

static int open_out(const struct machine *m)
{
	struct json_object *path;

	if (json_object_object_get_ex(m->serial, "serial_out_path", &path) && path)
		return open(json_object_get_string(path), O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC,
			0666);
	return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
}

int serial_start(const struct machine *m, int *ret_guest, struct err *err)
{
	struct json_object *limiter = json_object_object_get(m->serial, "rate_limiter");
	struct err no_input = ERR_INIT;
	int fds[2];

	/* Left from a start that failed. */
	loop_close(&port.guest);
	loop_close(&port.input);
	fd_closep(&port.out);
	port.size = port.tokens = get_number(limiter, "size");
	port.refill_ns = get_number(limiter, "refill_time") * NS_IN_MS;
	port.burst = get_number(limiter, "one_time_burst");
	port.filled_ns = stamps_now();
	port.out = open_out(m);
	if (port.out < 0)
		return err_sys(
			err, ERR_operation_failed, errno, "cannot open the serial port's file");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot make a socket pair");
	port.guest = (struct source){ fds[0], on_guest };
	port.input = (struct source){ fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3), on_input };
	if (loop_watch(&port.guest, EPOLLIN, err) < 0) {
		close(fds[1]);
		return -1;
	}
	/* A file or /dev/null has nothing to say. */
	if (port.input.fd >= 0 && loop_watch(&port.input, EPOLLIN, &no_input) < 0)
		loop_close(&port.input);
	*ret_guest = fds[1];
	return 0;
}
