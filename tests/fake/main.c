/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A strict stand-in for Firecracker 1.16, for hosts where its guests cannot run: the same command
 * line, HTTP API, sockets and ends, with another machine behind them (engine.h), and ways to
 * misbehave (behaviour.h).
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"
#include "tests/fake/args.h"
#include "tests/fake/behaviour.h"
#include "tests/fake/http.h"
#include "tests/fake/log.h"
#include "tests/fake/loop.h"
#include "tests/fake/machine.h"
#include "tests/fake/stamps.h"

#define BACKLOG 128

/* As Firecracker ends: FcExitCode. */
enum { EXIT_GENERIC = 1, EXIT_ARGUMENTS = 153 };

static int listen_api(const char *path, struct err *err)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || !str_copy(a.sun_path, sizeof(a.sun_path), path))
		return err_set(err, ERR_operation_failed, "no API socket can be at %s", path);
	if (bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, BACKLOG) < 0)
		return err_sys(err, ERR_operation_failed, errno,
			"Failed to open the API socket at: %s", path);
	return TAKE_FD(fd);
}

static int serve(const struct args *a, struct machine *m, struct err *err)
{
	const struct timespec late = { behaviour.late_ms / 1000,
		(long)(behaviour.late_ms % 1000) * 1000000 };
	int fd;

	if (behaviour.no_socket) {
		for (;;)
			pause();
	}
	nanosleep(&late, NULL);
	fd = listen_api(a->api_sock, err);
	stamps_note(STAMP_SOCKET);
	if (fd < 0 || http_start(fd, m, err) < 0)
		return -1;
	log_line(LOG_LINE_INFO, "API server started.");
	return loop_run(err);
}

static int fail(const struct err *err, int status)
{
	log_line(LOG_LINE_ERROR, "%s", err->msg);
	fprintf(stderr, "Error: %s\n", err->msg);
	log_line(LOG_LINE_ERROR, "Firecracker exiting with error. exit_code=%d", status);
	return status;
}

int main(int argc, char **argv)
{
	static struct machine machine;
	struct err err = ERR_INIT;
	struct args a;

	stamps_note(STAMP_BEGIN);
	if (behaviour_init(&err) < 0)
		return fail(&err, EXIT_GENERIC);
	if (args_parse(argc, argv, &a, &err) < 0)
		return fail(&err, EXIT_ARGUMENTS);
	if (a.version) {
		printf("Firecracker v%s\n\n", behaviour.version);
		return 0;
	}
	if (!args_id_is_good(a.id)) {
		fprintf(stderr, "Invalid instance ID: %s\n", a.id);
		abort();
	}
	signal(SIGPIPE, SIG_IGN);
	log_line_init(a.id);
	if (args_apply_log(&a, &err) < 0)
		return fail(&err, EXIT_GENERIC);
	log_line(LOG_LINE_INFO, "Running Firecracker v%s", behaviour.version);
	if (loop_init(&err) < 0 ||
		machine_init(&machine, a.id, behaviour.none ? &engine_none : &engine_qemu, &err) <
			0 ||
		serve(&a, &machine, &err) < 0)
		return fail(&err, EXIT_GENERIC);
	return 0;
}
