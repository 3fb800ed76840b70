/* SPDX-License-Identifier: GPL-2.0-or-later */
/* No guest: what the host sees of one. Light, for many at once. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"
#include "tests/fake/behaviour.h"
#include "tests/fake/hybrid.h"
#include "tests/fake/log.h"
#include "tests/fake/loop.h"
#include "tests/fake/machine.h"

static struct source console = { .fd = -1 };

static void on_console(struct source *s, uint32_t events)
{
	static char line[4096];
	size_t n = sizeof(line);
	ssize_t done;

	if (line[0] == '\0') {
		memset(line, '.', sizeof(line) - 1);
		line[sizeof(line) - 1] = '\n';
	}
	if (n > behaviour.console_bytes)
		n = (size_t)behaviour.console_bytes;
	done = write(s->fd, line, n);
	if (done > 0)
		behaviour.console_bytes -= (uint64_t)done;
	if (behaviour.console_bytes == 0 || (done < 0 && errno != EAGAIN))
		loop_close(s);
}

/* What the guest writes to its serial port: one line, and what the behaviour wants. */
static int write_console(struct err *err)
{
	static const char line[] = "no guest: engine none\r\n";

	if (write(STDOUT_FILENO, line, sizeof(line) - 1) < 0 && errno != EAGAIN)
		return err_sys(err, ERR_operation_failed, errno, "cannot write the console");
	if (behaviour.console_bytes == 0)
		return 0;
	console = (struct source){ fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3), on_console };
	if (console.fd < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot copy stdout");
	if (loop_watch(&console, EPOLLOUT, err) == 0)
		return 0;
	/* A regular file cannot be waited for, and takes all at once. */
	while (err->sys == EPERM && console.fd >= 0)
		on_console(&console, EPOLLOUT);
	return console.fd < 0 ? 0 : -1;
}

static int start(struct machine *m, struct err *err)
{
	if (m->vsock_listen >= 0 && hybrid_start(m->vsock_listen, err) < 0)
		return -1;
	m->vsock_listen = -1;
	return write_console(err);
}

static int pause_guest(struct machine *m, struct err *err)
{
	return hybrid_pause(true, err);
}

static int resume_guest(struct machine *m, struct err *err)
{
	return hybrid_pause(false, err);
}

static int ctrl_alt_del(struct machine *m, struct err *err)
{
	log_line(LOG_LINE_INFO, "Firecracker exiting successfully. exit_code=0");
	exit(0);
}

static int balloon(struct machine *m, uint64_t mib, struct err *err)
{
	return 0;
}

const struct engine engine_none = { start, pause_guest, resume_guest, ctrl_alt_del, balloon };
