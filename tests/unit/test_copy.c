/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest/copy: a directory with all that may be in a home. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"
#include "guest/copy.h"

#define SPARSE (64 << 20)

static char dir[32];
static int top = -1, from = -1, to = -1;

static int setup(void **state)
{
	(void)state;
	str_copy(dir, sizeof(dir), "/tmp/banger-copy-XXXXXX");
	top = mkdtemp(dir) ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (top < 0 || mkdirat(top, "from", 0751) < 0 || mkdirat(top, "to", 0700) < 0)
		return -1;
	from = openat(top, "from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	to = openat(top, "to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return from < 0 || to < 0 || fchmod(from, 0751) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	fd_closep(&from);
	fd_closep(&to);
	if (copy_remove(top, "from", &err) < 0 || copy_remove(top, "to", &err) < 0)
		fail_msg("%s", err.msg);
	fd_closep(&top);
	return rmdir(dir);
}

static void put(const char *name, const char *text, mode_t mode)
{
	_cleanup_fd_ int fd = openat(from, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, text, strlen(text)), 0);
	assert_int_equal(fchmod(fd, mode), 0);
}

static struct stat look(int at, const char *name)
{
	struct stat st;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		fail_msg("there is no %s", name);
	return st;
}

/* Kind, mode, owner, size and times are the same. */
static void assert_same(const char *name)
{
	struct stat a = look(from, name), b = look(to, name);

	assert_int_equal(a.st_mode, b.st_mode);
	assert_int_equal(a.st_uid, b.st_uid);
	assert_int_equal(a.st_gid, b.st_gid);
	assert_int_equal(a.st_mtim.tv_sec, b.st_mtim.tv_sec);
	assert_int_equal(a.st_mtim.tv_nsec, b.st_mtim.tv_nsec);
	if (!S_ISDIR(a.st_mode))
		assert_int_equal(a.st_size, b.st_size);
}

static void assert_text(const char *name, const char *text)
{
	_cleanup_fd_ int fd = openat(to, name, O_RDONLY | O_CLOEXEC);
	char got[256] = "";

	assert_true(fd_read_full(fd, got, sizeof(got) - 1) >= 0);
	assert_string_equal(got, text);
}

static void copies(void **state)
{
	static const char *const names[] = { ".", ".profile", "bin", "bin/run", "bin/deep", "empty",
		"link", "dangling", "fifo", "sparse", "odd\n\xff" };
	const struct timespec old[2] = { { -1, 5 }, { 5000000000, 999999999 } };
	struct err err = ERR_INIT;
	char text[64] = "";
	_cleanup_fd_ int sparse = -1;

	(void)state;
	put(".profile", "umask 077\n", 0644);
	assert_int_equal(mkdirat(from, "bin", 0), 0);
	assert_int_equal(mkdirat(from, "bin/deep", 0), 0);
	put("bin/run", "#!/bin/sh\n", 06755);
	put("empty", "", 0);
	put("odd\n\xff", "x", 0600);
	assert_int_equal(symlinkat("bin/run", from, "link"), 0);
	assert_int_equal(symlinkat("/etc/shadow", from, "dangling"), 0);
	assert_int_equal(mkfifoat(from, "fifo", 0620), 0);
	assert_int_equal(fchmodat(from, "fifo", 0622, 0), 0);
	sparse = openat(from, "sparse", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(fd_pwrite_full(sparse, "middle", 6, SPARSE / 2), 0);
	assert_int_equal(ftruncate(sparse, SPARSE), 0);
	assert_int_equal(fsetxattr(sparse, "user.color", "red", 3, 0), 0);
	assert_int_equal(fchmodat(from, "bin", 01755, 0), 0);
	assert_int_equal(utimensat(from, "bin", old, 0), 0);
	assert_int_equal(utimensat(from, "link", old, AT_SYMLINK_NOFOLLOW), 0);

	if (copy_tree(from, to, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_same(names[i]);
	assert_text(".profile", "umask 077\n");
	assert_text("bin/run", "#!/bin/sh\n");
	assert_int_equal(readlinkat(to, "dangling", text, sizeof(text) - 1), 11);
	assert_string_equal(text, "/etc/shadow");
	assert_true(look(to, "sparse").st_blocks < 64);
	fd_closep(&sparse);
	sparse = openat(to, "sparse", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fd_pread_full(sparse, text, 6, SPARSE / 2), 6);
	assert_memory_equal(text, "middle", 6);
	assert_int_equal(fgetxattr(sparse, "user.color", text, sizeof(text)), 3);
}

static void gives_to_an_owner(void **state)
{
	const struct copy_owner owner = { .uid = 1234, .gid = 5678 };
	struct err err = ERR_INIT;

	(void)state;
	if (geteuid() != 0)
		skip();
	put("a", "a", 0644);
	assert_int_equal(mkdirat(from, "d", 0755), 0);
	assert_int_equal(symlinkat("a", from, "l"), 0);
	assert_int_equal(mkfifoat(from, "f", 0600), 0);
	assert_int_equal(copy_tree(from, to, &owner, &err), 0);
	for (size_t i = 0; i < 5; i++) {
		struct stat st = look(to, (const char *const[]){ ".", "a", "d", "l", "f" }[i]);

		assert_int_equal(st.st_uid, 1234);
		assert_int_equal(st.st_gid, 5678);
	}
}

/* 150 deep is fine, 250 is not, and is removed all the same when it is not there whole. */
static void depth(void **state)
{
	struct err err = ERR_INIT;
	int at = fcntl(from, F_DUPFD_CLOEXEC, 3);

	(void)state;
	for (int i = 0; i < 250; i++) {
		int next;

		if (i == 150)
			assert_int_equal(copy_tree(from, to, NULL, &err), 0);
		assert_int_equal(mkdirat(at, "d", 0755), 0);
		next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(at);
		at = next;
	}
	close(at);
	assert_int_equal(copy_remove(to, "d", &err), 0);
	assert_int_equal(copy_remove(to, "d", &err), 0);
	assert_int_equal(copy_tree(from, to, NULL, &err), -1);
	assert_int_equal(err.code, ERR_bad_input);
	/* Too deep for ourselves to remove: by halves. */
	assert_int_equal(
		renameat(from,
			"d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/"
			"d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d",
			top, "rest"),
		0);
	assert_int_equal(copy_remove(top, "rest", &err), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(copies), TEST(gives_to_an_owner), TEST(depth) };

	return cmocka_run_group_tests_name("copy", tests, NULL, NULL);
}
