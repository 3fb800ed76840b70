/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/console: the log is bounded, and nobody who does not read stalls anybody. */
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "bangerd/console.h"
#include "common/fd.h"
#include "common/frame.h"
#include "common/str.h"

#define LOG_MAX 65536

struct rig {
	char path[64];
	int dir, vmm; /* the VMM's end */
	sd_event *event;
	struct watches *watches;
	struct console *console;
};

static void connect_vmm(struct rig *r)
{
	struct err err = ERR_INIT;
	int sv[2], in;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
	in = fcntl(sv[0], F_DUPFD_CLOEXEC, 3);
	assert_int_equal(console_connect(r->console, sv[0], in, &err), 0);
	r->vmm = sv[1];
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct err err = ERR_INIT;

	assert_non_null(r);
	str_copy(r->path, sizeof(r->path), "/tmp/banger-console-XXXXXX");
	assert_non_null(mkdtemp(r->path));
	r->dir = open(r->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r->vmm = -1;
	assert_true(sd_event_new(&r->event) >= 0);
	assert_int_equal(watches_create(r->event, &r->watches, &err), 0);
	assert_int_equal(
		console_create(r->watches, r->dir, getuid(), LOG_MAX, &r->console, &err), 0);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	console_destroy(r->console);
	watches_destroy(r->watches);
	sd_event_unref(r->event);
	fd_closep(&r->vmm);
	unlinkat(r->dir, CONSOLE_LOG, 0);
	unlinkat(r->dir, CONSOLE_LOG_BEFORE, 0);
	close(r->dir);
	assert_int_equal(rmdir(r->path), 0);
	free(r);
	return 0;
}

static void turn(struct rig *r)
{
	while (sd_event_run(r->event, 0) > 0)
		;
}

/* The VMM writes n bytes of `c`, with the loop at work between. */
static void guest_writes(struct rig *r, char c, size_t n)
{
	char buf[4096];

	memset(buf, c, sizeof(buf));
	while (n > 0) {
		size_t some = n < sizeof(buf) ? n : sizeof(buf);

		assert_int_equal(fd_write_full(r->vmm, buf, some), 0);
		n -= some;
		turn(r);
	}
}

static void assert_reads(int fd, const char *text)
{
	char buf[256] = "";

	assert_int_equal(fd_set_nonblock(fd, true), 0);
	assert_true(read(fd, buf, sizeof(buf) - 1) >= 0);
	assert_string_equal(buf, text);
}

static void both_ways(void **state)
{
	struct rig *r = *state;
	struct err err = ERR_INIT;
	char tail[64], end;
	int a, b;

	assert_int_equal(console_attach(r->console, &a, &err), -1);
	assert_int_equal(err.code, ERR_not_running);
	connect_vmm(r);
	assert_int_equal(console_attach(r->console, &a, &err), 0);
	assert_int_equal(console_attach(r->console, &b, &err), 0);
	assert_int_equal(fd_write_full(r->vmm, "login: ", 7), 0);
	turn(r);
	assert_reads(a, "login: ");
	assert_reads(b, "login: ");
	assert_int_equal(fd_write_full(a, "root\n", 5), 0);
	turn(r);
	assert_reads(r->vmm, "root\n");
	close(b);
	turn(r);
	assert_int_equal(fd_write_full(r->vmm, "\r\nlast\033[0m\n", 11), 0);
	fd_closep(&r->vmm);
	turn(r);
	assert_reads(a, "\r\nlast\033[0m\n");
	assert_int_equal(read(a, &end, 1), 0);
	console_tail(r->console, tail, sizeof(tail));
	assert_string_equal(tail, "login:  | last?[0m");
	close(a);
}

/* A socket whose close(2) waits for a minute when it is the last: its peer, *ret_peer, takes
 * nothing of what is in it (SO_LINGER of socket(7)). */
static int lingering(int *ret_peer)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	const struct linger minute = { 1, 60 };
	socklen_t len = sizeof(a);
	static char much[1 << 20];
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(server >= 0 && fd >= 0);
	assert_int_equal(bind(server, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(server, 1), 0);
	assert_int_equal(getsockname(server, (struct sockaddr *)&a, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	*ret_peer = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	assert_true(*ret_peer >= 0);
	close(server);
	fd_set_nonblock(fd, true);
	while (write(fd, much, sizeof(much)) > 0)
		;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &minute, sizeof(minute)), 0);
	return fd;
}

/* Whoever is attached sends what does not close; whether it is read, or waits when he goes. */
static void what_lingers_stalls_nobody(struct rig *r, bool read)
{
	int a, b, peer, fd = lingering(&peer);
	struct err err = ERR_INIT;
	struct timespec begun, now;

	connect_vmm(r);
	assert_int_equal(console_attach(r->console, &b, &err), 0);
	assert_int_equal(console_attach(r->console, &a, &err), 0);
	assert_int_equal(frame_send(a, "typed", 5, &fd, 1, &err), 0);
	close(fd);
	clock_gettime(CLOCK_MONOTONIC, &begun);
	if (read) {
		turn(r);
		assert_reads(r->vmm, "typed");
	}
	close(a);
	guest_writes(r, 'x', 1);
	assert_reads(b, "x");
	clock_gettime(CLOCK_MONOTONIC, &now);
	assert_true(now.tv_sec - begun.tv_sec < 30);
	close(peer); /* a reset ends it */
	close(b);
}

static void lingering_files_stall_nobody(void **state)
{
	what_lingers_stalls_nobody(*state, true);
}

static void those_unread_do_not_either(void **state)
{
	what_lingers_stalls_nobody(*state, false);
}

static void the_log_is_bounded(void **state)
{
	struct rig *r = *state;
	struct err err = ERR_INIT;
	char *buf = malloc(4 * LOG_MAX);
	struct stat st;
	ssize_t n;
	int fd;

	connect_vmm(r);
	guest_writes(r, 'a', 3 * LOG_MAX);
	guest_writes(r, 'z', 100);
	assert_int_equal(fstatat(r->dir, CONSOLE_LOG, &st, 0), 0);
	assert_in_range(st.st_size, 1, LOG_MAX / 2);
	assert_int_equal(fstatat(r->dir, CONSOLE_LOG_BEFORE, &st, 0), 0);
	assert_in_range(st.st_size, 1, LOG_MAX / 2);
	assert_int_equal(console_logs(r->console, false, &fd, &err), 0);
	n = fd_read_full(fd, buf, 4 * LOG_MAX);
	assert_in_range(n, LOG_MAX / 4, LOG_MAX);
	assert_int_equal(buf[n - 1], 'z');
	assert_int_equal(buf[n - 101], 'a');
	close(fd);
	free(buf);
}

/* A client that never reads loses bytes: the guest, the log and the others go on. */
static void a_client_that_does_not_read(void **state)
{
	struct rig *r = *state;
	struct err err = ERR_INIT;
	char buf[4096];
	size_t got = 0;
	int slow, quick;

	connect_vmm(r);
	assert_int_equal(console_attach(r->console, &slow, &err), 0);
	assert_int_equal(console_attach(r->console, &quick, &err), 0);
	assert_int_equal(fd_set_nonblock(quick, true), 0);
	for (int i = 0; i < 1000; i++) {
		ssize_t n;

		guest_writes(r, 'x', 4096);
		while ((n = read(quick, buf, sizeof(buf))) > 0)
			got += (size_t)n;
	}
	assert_int_equal(got, 1000 * 4096);
	close(slow);
	close(quick);
	turn(r);
}

/* A guest that does not take what is typed: clients are not read any more, the loop turns. */
static void a_guest_that_does_not_read(void **state)
{
	struct rig *r = *state;
	struct err err = ERR_INIT;
	char buf[4096] = { 0 };
	size_t sent = 0, got = 0;
	ssize_t n;
	int fd;

	connect_vmm(r);
	assert_int_equal(console_attach(r->console, &fd, &err), 0);
	assert_int_equal(fd_set_nonblock(fd, true), 0);
	while ((n = write(fd, buf, sizeof(buf))) > 0) {
		sent += (size_t)n;
		assert_true(sent < (size_t)64 * 1024 * 1024);
		turn(r);
	}
	while (got < sent) {
		n = read(r->vmm, buf, sizeof(buf));
		if (n > 0)
			got += (size_t)n;
		turn(r);
	}
	assert_int_equal(got, sent);
	close(fd);
	turn(r);
}

static void following(void **state)
{
	struct rig *r = *state;
	struct err err = ERR_INIT;
	char end;
	int fd;

	connect_vmm(r);
	assert_int_equal(fd_write_full(r->vmm, "before ", 7), 0);
	turn(r);
	assert_int_equal(console_logs(r->console, true, &fd, &err), 0);
	assert_int_equal(fd_write_full(r->vmm, "after", 5), 0);
	console_disconnect(r->console);
	turn(r);
	assert_reads(fd, "before after");
	assert_int_equal(read(fd, &end, 1), 0);
	close(fd);
	assert_int_equal(console_logs(r->console, true, &fd, &err), 0);
	assert_reads(fd, "before after");
	close(fd);
}

static void not_too_many(void **state)
{
	struct rig *r = *state;
	struct err err = ERR_INIT;
	int fds[CONSOLE_CLIENTS_MAX + 1];

	connect_vmm(r);
	for (int i = 0; i < CONSOLE_CLIENTS_MAX; i++)
		assert_int_equal(console_attach(r->console, &fds[i], &err), 0);
	assert_int_equal(console_attach(r->console, &fds[CONSOLE_CLIENTS_MAX], &err), -1);
	assert_int_equal(err.code, ERR_quota_exceeded);
	close(fds[0]);
	turn(r);
	assert_int_equal(console_attach(r->console, &fds[0], &err), 0);
	fd_close_many(fds, CONSOLE_CLIENTS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both_ways, setup, teardown),
		cmocka_unit_test_setup_teardown(the_log_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(a_client_that_does_not_read, setup, teardown),
		cmocka_unit_test_setup_teardown(a_guest_that_does_not_read, setup, teardown),
		cmocka_unit_test_setup_teardown(lingering_files_stall_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(those_unread_do_not_either, setup, teardown),
		cmocka_unit_test_setup_teardown(following, setup, teardown),
		cmocka_unit_test_setup_teardown(not_too_many, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
