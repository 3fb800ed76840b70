/* SPDX-License-Identifier: GPL-2.0-or-later */
/* banger-netd's checks of what it is given: fd_check, uid_range, names, procs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "banger-netd/fd_check.h"
#include "banger-netd/names.h"
#include "banger-netd/procs.h"
#include "banger-netd/uid_range.h"
#include "common/fd.h"
#include "common/str.h"

static char dir[] = "/tmp/banger-checks-XXXXXX";

static const char *path(const char *name)
{
	static char buf[64];

	str_format(buf, sizeof(buf), "%s/%s", dir, name);
	return buf;
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const names[] = { "file", "fifo", "passwd", "group", "subuid",
		"subgid" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unlink(path(names[i]));
	return rmdir(dir);
}

static void make_file(off_t size, mode_t mode)
{
	_cleanup_fd_ int fd = open(path("file"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(fchmod(fd, mode), 0);
}

static int check_disk(int fd)
{
	struct err err = ERR_INIT;
	int r = fd_check_disk(fd, getegid(), 0, &err);

	assert_true(r == 0 || err.code == ERR_bad_request);
	fd_closep(&fd);
	return r;
}

static int check_boot(int fd)
{
	struct err err = ERR_INIT;
	int r = fd_check_boot_file(fd, "kernel", getegid(), &err);

	assert_true(r == 0 || err.code == ERR_bad_request);
	fd_closep(&fd);
	return r;
}

static void test_disk(void **state)
{
	struct err err = ERR_INIT;
	int fd, sv[2];

	(void)state;
	make_file(4096, 0600);
	assert_int_equal(check_disk(open(path("file"), O_RDWR)), 0);
	assert_int_equal(check_disk(open(path("file"), O_RDONLY)), -1);
	assert_int_equal(check_disk(open(path("file"), O_WRONLY)), -1);
	assert_int_equal(check_disk(open(path("file"), O_RDWR | O_APPEND)), -1);
	assert_int_equal(check_disk(open(path("file"), O_PATH)), -1);
	assert_int_equal(check_disk(open(dir, O_RDONLY | O_DIRECTORY)), -1);
	assert_int_equal(check_disk(open("/dev/null", O_RDWR)), -1);
	assert_int_equal(check_disk(-1), -1);
	fd = open(path("file"), O_RDWR);
	assert_int_equal(fd_check_disk(fd, getegid() + 1, 0, &err), -1);
	close(fd);
	fd = memfd_create("x", 0);
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(check_disk(fd), -1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(check_disk(sv[0]), -1);
	close(sv[1]);
	assert_int_equal(mkfifo(path("fifo"), 0600), 0);
	assert_int_equal(check_disk(open(path("fifo"), O_RDWR)), -1);
	make_file(0, 0600);
	assert_int_equal(check_disk(open(path("file"), O_RDWR)), -1);
	make_file(4097, 0600);
	assert_int_equal(check_disk(open(path("file"), O_RDWR)), -1);
}

static int check_work(int fd, int disk)
{
	struct err err = ERR_INIT;
	int r = fd_check_work(fd, disk, getegid(), &err);

	assert_true(r == 0 || err.code == ERR_bad_request);
	fd_closep(&fd);
	return r;
}

static void test_work(void **state)
{
	_cleanup_fd_ int disk = memfd_create("x", MFD_CLOEXEC);

	(void)state;
	make_file(4096, 0600);
	assert_int_equal(check_work(open(path("file"), O_RDWR), disk), 0);
	assert_int_equal(check_work(open(path("file"), O_RDONLY), disk), -1);
	assert_int_equal(check_work(open(path("file"), O_PATH), disk), -1);
	assert_int_equal(check_work(open(dir, O_RDONLY | O_DIRECTORY), disk), -1);
	assert_int_equal(check_work(open("/dev/null", O_RDWR), disk), -1);
	assert_int_equal(check_work(memfd_create("y", MFD_CLOEXEC), disk), -1);
	assert_int_equal(check_work(open(path("file"), O_RDWR), -1), -1);
	fd_closep(&disk);
	disk = open(path("file"), O_RDWR | O_CLOEXEC);
	assert_int_equal(check_work(open(path("file"), O_RDWR), disk), -1);
	make_file(0, 0600);
	fd_closep(&disk);
	disk = memfd_create("x", MFD_CLOEXEC);
	assert_int_equal(check_work(open(path("file"), O_RDWR), disk), -1);
	make_file(4097, 0600);
	assert_int_equal(check_work(open(path("file"), O_RDWR), disk), -1);
}

static void test_boot_file(void **state)
{
	int fd;

	(void)state;
	make_file(100, 0644);
	assert_int_equal(check_boot(open(path("file"), O_RDONLY)), 0);
	assert_int_equal(check_boot(open(path("file"), O_RDWR)), -1);
	assert_int_equal(check_boot(open(path("file"), O_WRONLY)), -1);
	assert_int_equal(check_boot(open(path("file"), O_PATH)), -1);
	make_file(100, 0640);
	assert_int_equal(check_boot(open(path("file"), O_RDONLY)), -1);
	make_file(0, 0644);
	assert_int_equal(check_boot(open(path("file"), O_RDONLY)), -1);
	make_file(100, 0644);
	fd = open(path("file"), O_RDONLY);
	unlink(path("file"));
	assert_int_equal(check_boot(fd), -1);
}

static int check_range(const char *file, const char *content, uid_t base, uint32_t count)
{
	struct err err = ERR_INIT;
	FILE *f = fopen(path(file), "we");
	int r;

	assert_non_null(f);
	fputs(content, f);
	fclose(f);
	r = uid_range_check(dir, base, count, &err);
	unlink(path(file));
	return r;
}

static int check_fifo(const char *name)
{
	_cleanup_fd_ int fd = open(path(name), O_RDWR | O_NONBLOCK | O_CLOEXEC);
	struct err err = ERR_INIT;
	int r = fd_check_new_fifo(fd, "log", &err);

	assert_true(fd >= 0 && (r == 0 || err.code == ERR_protocol));
	return r;
}

/* What somebody was quick to put in its place. */
static void test_new_fifo(void **state)
{
	char fifo[64], other[64];

	(void)state;
	str_copy(fifo, sizeof(fifo), path("fifo"));
	str_copy(other, sizeof(other), path("group"));
	unlink(fifo); /* another test's */
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(check_fifo("fifo"), 0);
	assert_int_equal(link(fifo, other), 0);
	assert_int_equal(check_fifo("fifo"), -1);
	assert_int_equal(unlink(other), 0);
	assert_int_equal(check_fifo("fifo"), 0);
	make_file(4096, 0600);
	assert_int_equal(check_fifo("file"), -1);
	if (geteuid() == 0) {
		assert_int_equal(chown(fifo, 4242, 4242), 0);
		assert_int_equal(check_fifo("fifo"), -1);
	}
	assert_int_equal(unlink(fifo), 0);
}

static void test_uid_range(void **state)
{
	(void)state;
	assert_int_equal(check_range("passwd", "root:x:0:0::/:\n", 1900000000, 65536), 0);
	assert_int_equal(check_range("passwd", "a:x:1900000000:0::/:\n", 1900000000, 65536), -1);
	assert_int_equal(check_range("passwd", "a:x:5:1900065535::/:\n", 1900000000, 65536), -1);
	assert_int_equal(check_range("passwd", "a:x:1900065536:5::/:\n", 1900000000, 65536), 0);
	assert_int_equal(check_range("passwd", "+::::::\n# a:b\n", 1900000000, 65536), 0);
	assert_int_equal(check_range("group", "a:x:1900000001:\n", 1900000000, 65536), -1);
	assert_int_equal(check_range("subuid", "a:100000:65536\n", 1900000000, 65536), 0);
	assert_int_equal(check_range("subuid", "a:1899999999:1\n", 1900000000, 65536), 0);
	assert_int_equal(check_range("subuid", "a:1899999999:2\n", 1900000000, 65536), -1);
	assert_int_equal(check_range("subgid", "a:1000:4294967295", 1900000000, 65536), -1);
	assert_int_equal(check_range("passwd", "", 1000, 65536), -1);
	assert_int_equal(check_range("passwd", "", 4294967290U, 65536), -1);
	assert_int_equal(check_range("passwd", "", 1900000000, 1), -1);
}

static void test_names_fit(void **state)
{
	const struct netd_config c = { .pool = { 0x0a000000 }, .pool_prefix = 8 };
	vm_id vm;

	(void)state;
	assert_true(vm_id_parse("0123456789ab", &vm));
	assert_string_equal(name_tap(vm).s, "bt0123456789ab");
	assert_string_equal(name_bridge(4294967294U).s, "bgr4294967294");
	assert_int_equal(name_subnets(&c), 65536);
	assert_int_equal(name_address(&c, 65535, 254).v, 0x0afffffe);
}

static void test_start_time(void **state)
{
	struct err err = ERR_INIT;
	uint64_t mine = 0, child = 0;
	pid_t pid;

	(void)state;
	assert_int_equal(proc_start_time(getpid(), &mine, &err), 0);
	assert_true(mine > 0);
	pid = fork();
	if (pid == 0)
		_exit(0);
	/* A zombie still has it. */
	assert_int_equal(proc_start_time(pid, &child, &err), 0);
	assert_true(child >= mine);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(proc_start_time(pid, &child, &err), -1);
	assert_int_equal(err.code, ERR_not_found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_disk),
		cmocka_unit_test(test_work),
		cmocka_unit_test(test_boot_file),
		cmocka_unit_test(test_new_fifo),
		cmocka_unit_test(test_uid_range),
		cmocka_unit_test(test_names_fit),
		cmocka_unit_test(test_start_time),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
