/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/disk_clone: the same bytes, the same holes, a larger size, a full disk. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bangerd/disk.h"
#include "bangerd/room.h"
#include "common/fd.h"
#include "common/str.h"

#define MIB ((uint64_t)1024 * 1024)

struct place {
	char path[64];
	int dir;
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	str_copy(p->path, sizeof(p->path), "/var/tmp/banger-disk-XXXXXX");
	assert_non_null(mkdtemp(p->path));
	p->dir = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(p->dir >= 0);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	unlinkat(p->dir, "image", 0);
	unlinkat(p->dir, "disk.img", 0);
	close(p->dir);
	assert_int_equal(rmdir(p->path), 0);
	free(p);
	return 0;
}

/* An image of 64 MiB with data at a few places, some of it across the head's end. */
static int make_image(struct place *p)
{
	static const struct {
		uint64_t at, n;
	} data[] = { { 0, 4096 }, { MIB - 8192, 16384 }, { 20 * MIB, 3 * MIB }, { 63 * MIB, MIB } };
	int fd = openat(p->dir, "image", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char *buf = malloc(3 * MIB);

	assert_true(fd >= 0);
	assert_non_null(buf);
	for (size_t i = 0; i < 3 * MIB; i++)
		buf[i] = (char)(i * 7 + i / 4096);
	assert_int_equal(ftruncate(fd, 64 * MIB), 0);
	for (size_t i = 0; i < ARRAY_SIZE(data); i++)
		assert_int_equal(fd_pwrite_full(fd, buf, data[i].n, data[i].at), 0);
	free(buf);
	return fd;
}

static void assert_same(int a, int b, uint64_t n)
{
	char *x = malloc(MIB), *y = malloc(MIB);

	for (uint64_t off = 0; off < n; off += MIB) {
		assert_int_equal(fd_pread_full(a, x, MIB, off), MIB);
		assert_int_equal(fd_pread_full(b, y, MIB, off), MIB);
		assert_memory_equal(x, y, MIB);
	}
	free(x);
	free(y);
}

static uint64_t allocated(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static int begin(int dir, int image, uint64_t size, struct disk *ret, struct err *err)
{
	const struct disk_place place = { .dirfd = dir, .size = size };

	return disk_clone.make(&place, image, ret, err);
}

static void copied_and_grown(void **state)
{
	struct place *p = *state;
	_cleanup_fd_ int image = make_image(p);
	struct disk d = DISK_INIT;
	struct err err = ERR_INIT;
	uint64_t cost = 0;
	struct stat st;

	assert_int_equal(disk_clone.cost(image, &cost, &err), 0);
	assert_in_range(cost, 4 * MIB, 6 * MIB);
	assert_int_equal(begin(p->dir, dup(image), 512 * MIB, &d, &err), 0);
	assert_int_equal(fstat(d.fd, &st), 0);
	assert_int_equal(st.st_size, 512 * MIB);
	assert_same(image, d.fd, DISK_HEAD);
	assert_int_equal(disk_clone.finish(&d, -1, &err), 0);
	assert_int_equal(d.image, -1);
	assert_same(image, d.fd, 64 * MIB);
	assert_true(allocated(d.fd) <= allocated(image) + MIB);
	assert_int_equal(disk_clone.finish(&d, -1, &err), 0);
	disk_close(&d);
}

/* A disk that its place has larger than it is; and one that is to go. */
static void grown_when_attached(void **state)
{
	struct place *p = *state;
	struct disk_place place = { .dirfd = p->dir, .size = 96 * MIB };
	_cleanup_fd_ int image = make_image(p);
	struct disk d = DISK_INIT;
	struct err err = ERR_INIT;
	struct stat st;

	assert_int_equal(begin(p->dir, dup(image), 64 * MIB, &d, &err), 0);
	assert_int_equal(disk_clone.finish(&d, -1, &err), 0);
	disk_close(&d);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(disk_clone.attach(&place, &d, &err), 0);
		assert_int_equal(fstat(d.fd, &st), 0);
		assert_int_equal(st.st_size, 96 * MIB);
		assert_same(image, d.fd, 64 * MIB);
		disk_close(&d);
		place.size = i ? place.size : 80 * MIB; /* none shrinks */
	}
	place.least = 96 * MIB + 1;
	assert_int_equal(disk_clone.attach(&place, &d, &err), -1);
	assert_int_equal(err.code, ERR_bad_input);
	assert_int_equal(disk_clone.remove(&place, &err), 0);
	assert_int_equal(disk_clone.remove(&place, &err), 0);
	place.least = 0;
	assert_int_equal(disk_clone.attach(&place, &d, &err), -1);
	assert_int_equal(err.code, ERR_bad_input);
}

/* One that was made is lost when it is not as large as it was, or nothing is in it, whatever its
 * image has; nothing is made in its place. */
static void lost_when_not_as_it_was(void **state)
{
	struct place *p = *state;
	struct disk_place place = {
		.dirfd = p->dir, .size = 128 * MIB, .least = 64 * MIB, .made = 96 * MIB
	};
	struct disk d = DISK_INIT;
	struct err err = ERR_INIT;
	struct stat st;

	assert_int_equal(begin(p->dir, make_image(p), 96 * MIB, &d, &err), 0);
	assert_int_equal(disk_clone.finish(&d, -1, &err), 0);
	assert_int_equal(disk_clone.look(&place, &err), 0);
	assert_int_equal(fstat(d.fd, &st), 0);
	assert_int_equal(st.st_size, 96 * MIB);
	assert_int_equal(ftruncate(d.fd, 96 * MIB - 1), 0);
	for (int i = 0; i < 2; i++) {
		struct disk again = DISK_INIT;

		assert_int_equal(
			i ? disk_clone.look(&place, &err) : disk_clone.attach(&place, &again, &err),
			-1);
		assert_int_equal(err.code, ERR_bad_input);
		assert_non_null(strstr(err.msg, "'disk.img' is cut short"));
		assert_int_equal(fstat(d.fd, &st), 0);
		assert_int_equal(st.st_size, 96 * MIB - 1);
	}
	assert_int_equal(ftruncate(d.fd, 0), 0);
	assert_int_equal(ftruncate(d.fd, 96 * MIB), 0);
	assert_int_equal(disk_clone.look(&place, &err), -1);
	assert_int_equal(err.code, ERR_bad_input);
	assert_non_null(strstr(err.msg, "has nothing in it"));
	assert_true(disk_clone.fits(&place));
	place.size = 96 * MIB - 1;
	assert_false(disk_clone.fits(&place));
	place.made = 0; /* nobody has written to it yet */
	assert_int_equal(disk_clone.look(&place, &err), 0);
	assert_int_equal(unlinkat(p->dir, "disk.img", 0), 0);
	place.work = true;
	assert_int_equal(disk_clone.look(&place, &err), -1);
	assert_false(disk_clone.fits(&place));
	assert_non_null(strstr(err.msg, "the work disk of VM"));
	assert_non_null(strstr(err.msg, "is gone"));
	disk_close(&d);
}

/* What the file system has no files for is told, and changes nothing. */
static void too_large(void **state)
{
	struct place *p = *state;
	struct disk_place place = { .dirfd = p->dir, .size = 128 * MIB, .made = 64 * MIB };
	struct rlimit was, small = { 96 * MIB, RLIM_INFINITY };
	struct disk d = DISK_INIT, again = DISK_INIT;
	struct err err = ERR_INIT;
	int r;

	assert_int_equal(begin(p->dir, make_image(p), 64 * MIB, &d, &err), 0);
	assert_int_equal(disk_clone.finish(&d, -1, &err), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small.rlim_max = was.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	r = disk_clone.attach(&place, &again, &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(r, -1);
	assert_int_equal(err.code, ERR_bad_request);
	assert_non_null(strstr(err.msg, "banger vm set --system-overlay-size"));
	place.size = 64 * MIB;
	assert_true(disk_clone.fits(&place));
	disk_close(&d);
}

/* A new one that the file system has no files for: what to do is told. */
static void too_large_to_make(void **state)
{
	struct place *p = *state;
	struct rlimit was, small = { 96 * MIB, RLIM_INFINITY };
	struct disk d = DISK_INIT;
	struct err err = ERR_INIT;
	int r;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small.rlim_max = was.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	r = begin(p->dir, make_image(p), 128 * MIB, &d, &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(r, -1);
	assert_int_equal(err.code, ERR_bad_request);
	assert_non_null(strstr(err.msg, "ask for less (--system-overlay-size)"));
	assert_int_equal(disk_cannot_make(true, EFBIG, &err), -1);
	assert_non_null(strstr(err.msg, "ask for less (--disk-size)"));
	assert_int_equal(disk_cannot_make(true, ENOSPC, &err), -1);
	assert_int_equal(err.code, ERR_no_space);
	assert_int_equal(disk_cannot_make(true, EACCES, &err), -1);
	assert_int_equal(err.code, ERR_operation_failed);
}

static void small_image(void **state)
{
	struct place *p = *state;
	int image = openat(p->dir, "image", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct disk d = DISK_INIT;
	struct err err = ERR_INIT;
	char back[6] = "";

	assert_int_equal(fd_write_full(image, "hello", 5), 0);
	assert_int_equal(begin(p->dir, image, 5, &d, &err), 0);
	assert_int_equal(disk_clone.finish(&d, -1, &err), 0);
	assert_int_equal(fd_pread_full(d.fd, back, sizeof(back), 0), 5);
	assert_string_equal(back, "hello");
	disk_close(&d);
}

static void refused(void **state)
{
	struct place *p = *state;
	_cleanup_fd_ int image = make_image(p);
	struct disk d = DISK_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(begin(p->dir, dup(image), MIB, &d, &err), -1);
	assert_int_equal(err.code, ERR_bad_request);
	assert_int_equal(faccessat(p->dir, "disk.img", F_OK, 0), -1);
	assert_int_equal(mkdirat(p->dir, "disk.img", 0700), 0);
	assert_int_equal(begin(p->dir, dup(image), 64 * MIB, &d, &err), -1);
	assert_int_equal(err.sys, EEXIST);
	assert_int_equal(unlinkat(p->dir, "disk.img", AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat("elsewhere", p->dir, "disk.img"), 0);
	assert_int_equal(begin(p->dir, dup(image), 64 * MIB, &d, &err), -1);
	assert_int_equal(faccessat(p->dir, "elsewhere", F_OK, 0), -1);
	assert_int_equal(d.fd, -1);
}

static void cancelled(void **state)
{
	struct place *p = *state;
	_cleanup_fd_ int cancel = eventfd(1, EFD_CLOEXEC);
	struct disk d = DISK_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(begin(p->dir, make_image(p), 64 * MIB, &d, &err), 0);
	if (d.image >= 0) { /* with a reflink it is done already */
		assert_int_equal(disk_clone.finish(&d, cancel, &err), -1);
		assert_int_equal(err.code, ERR_cancelled);
	}
	disk_close(&d);
}

/* What its owner cut off meanwhile would be zeros. */
static void cut_meanwhile(void **state)
{
	struct place *p = *state;
	_cleanup_fd_ int image = make_image(p);
	struct disk d = DISK_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(begin(p->dir, dup(image), 64 * MIB, &d, &err), 0);
	if (d.image >= 0) { /* with a reflink it is done already */
		assert_int_equal(ftruncate(image, 30 * MIB), 0);
		assert_int_equal(disk_clone.finish(&d, -1, &err), -1);
		assert_int_equal(err.code, ERR_bad_input);
	}
	disk_close(&d);
}

/* A tmpfs of 2 MiB as the host's disk; it takes root, which the suite has. */
static void full_disk(void **state)
{
	struct place *p = *state;
	_cleanup_fd_ int image = make_image(p), small = -1;
	char at[96];
	struct disk d = DISK_INIT;
	struct err err = ERR_INIT;

	assert_true(str_format(at, sizeof(at), "%s/small", p->path));
	assert_int_equal(mkdir(at, 0700), 0);
	if (mount("none", at, "tmpfs", 0, "size=2m") < 0) {
		assert_int_equal(rmdir(at), 0);
		print_message("skipped: mounting a tmpfs takes root\n");
		skip();
	}
	small = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(room_check(small, "it", MIB, 0, &err), 0);
	assert_int_equal(room_check(small, "it", MIB, 2 * MIB, &err), -1);
	assert_int_equal(err.code, ERR_no_space);
	assert_int_equal(room_check(small, "it", UINT64_MAX, 1, &err), -1);
	assert_int_equal(begin(small, dup(image), 64 * MIB, &d, &err), 0);
	err = (struct err)ERR_INIT;
	assert_int_equal(disk_clone.finish(&d, -1, &err), -1);
	assert_int_equal(err.code, ERR_no_space);
	disk_close(&d);
	fd_closep(&small);
	assert_int_equal(umount2(at, MNT_DETACH), 0);
	assert_int_equal(rmdir(at), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(copied_and_grown, setup, teardown),
		cmocka_unit_test_setup_teardown(grown_when_attached, setup, teardown),
		cmocka_unit_test_setup_teardown(lost_when_not_as_it_was, setup, teardown),
		cmocka_unit_test_setup_teardown(too_large, setup, teardown),
		cmocka_unit_test_setup_teardown(too_large_to_make, setup, teardown),
		cmocka_unit_test_setup_teardown(small_image, setup, teardown),
		cmocka_unit_test_setup_teardown(refused, setup, teardown),
		cmocka_unit_test_setup_teardown(cancelled, setup, teardown),
		cmocka_unit_test_setup_teardown(cut_meanwhile, setup, teardown),
		cmocka_unit_test_setup_teardown(full_disk, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
