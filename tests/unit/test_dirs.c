/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/dirs: what is done as root in a directory where another may make files. */
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
#include <unistd.h>

#include <cmocka.h>

#include "bangerd/dirs.h"
#include "common/fd.h"

static char dir[] = "/tmp/banger-dirs-XXXXXX", path[64], victim[64];
static bool hostile; /* as soon as the socket is another's, it puts a link in its place */

int __real_lchown(const char *name, uid_t uid, gid_t gid);
int __wrap_lchown(const char *name, uid_t uid, gid_t gid);

int __wrap_lchown(const char *name, uid_t uid, gid_t gid)
{
	int r = __real_lchown(name, uid, gid);

	if (hostile) {
		assert_int_equal(unlink(name), 0);
		assert_int_equal(symlink(victim, name), 0);
	}
	return r;
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(lstat(name, &st), 0);
	return st.st_mode;
}

static int setup(void **state)
{
	int fd;

	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/sock", dir);
	snprintf(victim, sizeof(victim), "%s/victim", dir);
	fd = open(victim, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	unlink(path);
	unlink(victim);
	return rmdir(dir);
}

static void the_socket_is_everybodys(void **state)
{
	struct err err = ERR_INIT;
	mode_t old = umask(0077);
	int fd = -1;

	hostile = false;
	assert_int_equal(dirs_listen(path, getuid(), getgid(), &fd, &err), 0);
	assert_int_equal(mode_of(path), S_IFSOCK | 0666);
	assert_int_equal(umask(old), 0077);
	/* One that is served is left alone, one that is not is replaced. */
	assert_int_equal(dirs_listen(path, getuid(), getgid(), &(int){ -1 }, &err), -1);
	assert_int_equal(err.code, ERR_busy);
	fd_closep(&fd);
	err = (struct err)ERR_INIT;
	assert_int_equal(dirs_listen(path, getuid(), getgid(), &fd, &err), 0);
	fd_closep(&fd);
}

static void nothing_is_done_by_name_once_it_is_anothers(void **state)
{
	struct err err = ERR_INIT;
	int fd = -1;

	hostile = true;
	if (dirs_listen(path, getuid(), getgid(), &fd, &err) == 0)
		fd_closep(&fd);
	assert_int_equal(mode_of(victim), S_IFREG | 0600);
}

static void what_is_empty(void **state)
{
	struct err err = ERR_INIT;
	int top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool empty = false;

	assert_true(top >= 0);
	assert_int_equal(dirs_empty_below(top, "images", &empty, &err), 0);
	assert_true(empty);
	assert_int_equal(mkdirat(top, "images", 0700), 0);
	assert_int_equal(mkdirat(top, "images/staging", 0700), 0);
	assert_int_equal(dirs_empty_below(top, "images", &empty, &err), 0);
	assert_true(empty);
	assert_int_equal(mkdirat(top, "images/000000000001.ext4", 0700), 0);
	assert_int_equal(dirs_empty_below(top, "images", &empty, &err), 0);
	assert_false(empty);
	unlinkat(top, "images/000000000001.ext4", AT_REMOVEDIR);
	unlinkat(top, "images/staging", AT_REMOVEDIR);
	unlinkat(top, "images", AT_REMOVEDIR);
	/* Not what a link leads to. */
	assert_int_equal(symlinkat("/usr", top, "images"), 0);
	assert_int_equal(dirs_empty_below(top, "images", &empty, &err), -1);
	unlinkat(top, "images", 0);
	close(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_socket_is_everybodys),
		cmocka_unit_test(nothing_is_done_by_name_once_it_is_anothers),
		cmocka_unit_test(what_is_empty),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
