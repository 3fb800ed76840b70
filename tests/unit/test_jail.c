/* SPDX-License-Identifier: GPL-2.0-or-later */
/* banger-netd/jail: a child that waits, one that goes, one that cannot, one that nobody lets go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "banger-netd/jail.h"
#include "common/fd.h"
#include "common/str.h"

/* Of no account and no other test. */
#define UID	1990000001U
#define WAIT_MS 20000

static const struct jail_item items[] = {
	{ JAIL_DIR, 0, "/dev", 0, 0, 0 },
	{ JAIL_DIR, 0, "/etc", 0, 0, 0 },
	{ JAIL_HOST, 0, "/usr", 0, 0, 0 },
	{ JAIL_HOST, 0, "/lib", 0, 0, 0 },
	{ JAIL_HOST, 0, "/lib64", 0, 0, 0 },
	{ JAIL_HOST, 0, "/etc/ld.so.cache", 0, 0, 0 },
	JAIL_DEVICES,
};

static const struct jail_layout layout = { items, ARRAY_SIZE(items) };

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static int spawn(const char *program, struct jail_child *ret, struct err *err)
{
	char name[] = "program";
	char *const argv[] = { name, NULL };
	_cleanup_fd_ int binary = open(program, O_RDONLY | O_CLOEXEC);
	const struct jail j = { .mount_point = "/tmp",
		.uid = UID,
		.layout = &layout,
		.files = { -1, -1, -1, -1, -1 },
		.network = true,
		.file_size = 1 << 20,
		.address_space = RLIM_INFINITY, /* a sanitizer has mapped terabytes */
		.open_files = 256,
		.profile = CONFINE_firecracker,
		.mode = CONFINE_KILL,
		.umask = 077,
		.std = { -1, -1, -1 },
		.binary = binary,
		.argv = argv };

	assert_true(binary >= 0);
	return jail_spawn(&j, ret, err);
}

static struct jail_child spawned(const char *program)
{
	struct jail_child c = JAIL_CHILD_INIT;
	struct err err = ERR_INIT;

	if (spawn(program, &c, &err) < 0)
		fail_msg("%s", err.msg);
	return c;
}

static void finish(struct jail_child *c)
{
	fd_closep(&c->pidfd);
	fd_closep(&c->gate);
	fd_closep(&c->tun);
	fd_closep(&c->netlink);
}

static bool is_dead(const struct jail_child *c, int ms)
{
	return poll(&(struct pollfd){ .fd = c->pidfd, .events = POLLIN }, 1, ms) == 1;
}

static void own_namespace(pid_t pid, const char *kind)
{
	char path[64], mine[64] = "", its[64] = "";

	str_format(path, sizeof(path), "/proc/%d/ns/%s", pid, kind);
	assert_true(readlink(path, its, sizeof(its) - 1) > 0);
	str_format(path, sizeof(path), "/proc/self/ns/%s", kind);
	assert_true(readlink(path, mine, sizeof(mine) - 1) > 0);
	assert_string_not_equal(mine, its);
}

static int setup(void **state)
{
	static int fds;

	if (geteuid() != 0)
		skip();
	fds = open_fds();
	*state = &fds;
	return 0;
}

/* No file and no child is left. */
static int teardown(void **state)
{
	assert_int_equal(open_fds(), *(const int *)*state);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	return errno == ECHILD ? 0 : -1;
}

static void test_it_waits_and_goes(void **state)
{
	static const char *const kinds[] = { "mnt", "pid", "ipc", "uts", "net" };
	struct jail_child c = spawned("/bin/true");
	struct err err = ERR_INIT;
	int status;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		own_namespace(c.pid, kinds[i]);
	assert_true(fcntl(c.tun, F_GETFD) >= 0 && fcntl(c.netlink, F_GETFD) >= 0);
	assert_false(is_dead(&c, 200));
	assert_int_equal(jail_go(c.gate, c.pid, &err), 0);
	assert_true(is_dead(&c, WAIT_MS));
	assert_int_equal(waitpid(c.pid, &status, 0), c.pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	finish(&c);
}

static void test_without_a_word_it_ends(void **state)
{
	struct jail_child c = spawned("/bin/true");
	int status;

	(void)state;
	fd_closep(&c.gate);
	assert_true(is_dead(&c, WAIT_MS));
	assert_int_equal(waitpid(c.pid, &status, 0), c.pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 0);
	finish(&c);
}

static void test_what_cannot_be_executed_is_said(void **state)
{
	struct jail_child c = spawned("/etc/passwd");
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(jail_go(c.gate, c.pid, &err), -1);
	assert_non_null(strstr(err.msg, "executing the VMM"));
	finish(&c);
}

static void test_one_that_was_killed_is_no_success(void **state)
{
	struct jail_child c = spawned("/bin/true");
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(kill(c.pid, SIGKILL), 0);
	assert_true(is_dead(&c, WAIT_MS));
	assert_int_equal(jail_go(c.gate, c.pid, &err), -1);
	assert_int_equal(err.code, ERR_unavailable);
	finish(&c);
}

/* A source that is no file of a file system cannot be mounted. */
static void test_what_cannot_be_mounted_is_said(void **state)
{
	static const struct jail_item one[] = { { JAIL_READ, 0, "/kernel", JAIL_FILE_KERNEL, 0,
		0 } };
	static const struct jail_layout bad = { one, 1 };
	struct jail_sources src;
	struct err err = ERR_INIT;
	int pipes[2];

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(
		jail_sources_open(&bad, 0, (const int[]){ pipes[0], -1, -1, -1, -1 }, &src, &err),
		-1);
	assert_non_null(strstr(err.msg, "kernel"));
	fd_close_many(pipes, 2);
}

int main(void)
{
#define JAIL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		JAIL_TEST(test_it_waits_and_goes),
		JAIL_TEST(test_without_a_word_it_ends),
		JAIL_TEST(test_what_cannot_be_executed_is_said),
		JAIL_TEST(test_one_that_was_killed_is_no_success),
		JAIL_TEST(test_what_cannot_be_mounted_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
