/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/vmm_socket: a VMM's sockets, in a directory that a VMM may have filled with other things.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "bangerd/vmm_socket.h"
#include "common/fd.h"
#include "common/str.h"

static const struct vmm_ops driver = { .name = "Some VMM" };
static char dir[40];
static int dirfd_, listener;

static int listen_at(const char *name, int backlog)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", dir, name);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	if (backlog >= 0)
		assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static int setup(void **state)
{
	int fd;

	str_copy(dir, sizeof(dir), "/tmp/banger-socket-XXXXXX");
	assert_non_null(mkdtemp(dir));
	dirfd_ = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(dirfd_ >= 0);
	listener = listen_at("api", 1);
	fd = listen_at("deaf", -1);
	close(fd);
	assert_int_equal(symlinkat("api", dirfd_, "link"), 0);
	assert_int_equal(mkfifoat(dirfd_, "fifo", 0600), 0);
	assert_int_equal(mkdirat(dirfd_, "folder", 0700), 0);
	fd = openat(dirfd_, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "api", "deaf", "link", "fifo", "file" };

	close(listener);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unlinkat(dirfd_, names[i], 0);
	unlinkat(dirfd_, "folder", AT_REMOVEDIR);
	close(dirfd_);
	return rmdir(dir);
}

static int try(const char *name, uid_t uid, int *ret_fd, struct err *err)
{
	const struct vmm v = { .ops = &driver, .pidfd = -1, .rundir = -1, .jail_uid = uid };

	return vmm_socket(&v, dirfd_, name, ret_fd, err);
}

static void test_connects(void **state)
{
	struct err err = ERR_INIT;
	int fd = -1;

	if (try("api", getuid(), &fd, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}

static void test_refuses(void **state)
{
	static const struct {
		const char *name;
		enum err_code code;
		int sys; /* 0: not looked at */
	} rows[] = {
		{ "none", ERR_unavailable, ENOENT },
		{ "deaf", ERR_unavailable, ECONNREFUSED },
		{ "link", ERR_protocol, 0 },
		{ "fifo", ERR_protocol, 0 },
		{ "file", ERR_protocol, 0 },
		{ "folder", ERR_protocol, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		int fd = 12345;

		assert_int_equal(try(rows[i].name, getuid(), &fd, &err), -1);
		assert_int_equal(fd, 12345);
		if (err.code != rows[i].code || (rows[i].sys && err.sys != rows[i].sys) ||
			!strstr(err.msg, "Some VMM") || !strstr(err.msg, rows[i].name))
			fail_msg("%s: %s", rows[i].name, err.msg);
	}
}

/* Somebody else listens in the VMM's place. */
static void test_another_user(void **state)
{
	struct err err = ERR_INIT;
	int fd = 12345;

	assert_int_equal(try("api", getuid() + 1, &fd, &err), -1);
	assert_int_equal(fd, 12345);
	assert_int_equal(err.code, ERR_protocol);
	assert_non_null(strstr(err.msg, "not of its jail's"));
}

/* It does not wait for one that does not accept. */
static void test_full(void **state)
{
	struct err err = ERR_INIT;
	int fds[8], n = 0;

	while (n < 8 && try("api", getuid(), &fds[n], &err) == 0)
		n++;
	assert_in_range(n, 1, 7);
	assert_int_equal(err.code, ERR_busy);
	fd_close_many(fds, (size_t)n);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_connects),
		T(test_refuses),
		T(test_another_user),
		T(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
