/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/disk_dm: the file of differences, before device-mapper has it. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bangerd/disk.h"
#include "common/cow.h"
#include "common/fd.h"
#include "common/str.h"

#define MIB ((uint64_t)1024 * 1024)

/* drivers/md/dm-snap-persistent.c: magic, valid, version, chunk. */
#define HEAD	  "SnAp\1\0\0\0\1\0\0\0\10\0\0\0"
#define HEAD_SIZE 16

static char path[64];
static int dir;

static int setup(void **state)
{
	str_copy(path, sizeof(path), "/var/tmp/banger-dm-XXXXXX");
	if (!mkdtemp(path))
		return -1;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	unlinkat(dir, "disk.cow", 0);
	close(dir);
	return rmdir(path);
}

static void assert_lost(const struct disk_place *place, const char *how)
{
	struct err err = ERR_INIT;

	assert_int_equal(disk_dm.look(place, &err), -1);
	assert_int_equal(err.code, ERR_bad_input);
	assert_non_null(strstr(err.msg, "the disk of VM"));
	assert_non_null(strstr(err.msg, how));
}

/* Nothing but the head of it is there before it is used; from then on it is as it was left. */
static void what_is_lost(void **state)
{
	struct disk_place place = { .dirfd = dir, .size = 64 * MIB };
	struct disk d = DISK_INIT;
	struct err err = ERR_INIT;
	_cleanup_fd_ int file = -1;
	struct stat st;

	assert_int_equal(disk_dm.make(&place, -1, &d, &err), 0);
	file = openat(dir, "disk.cow", O_RDWR | O_CLOEXEC);
	assert_int_equal(fstat(file, &st), 0);
	assert_int_equal(st.st_size, cow_size(64 * MIB));
	assert_int_equal(disk_dm.look(&place, &err), 0);
	place.made = 64 * MIB;
	assert_lost(&place, "'disk.cow' has nothing in it");
	assert_int_equal(fd_pwrite_full(file, HEAD, HEAD_SIZE, 0), 0);
	assert_int_equal(disk_dm.look(&place, &err), 0);
	/* It is to grow, and has not yet. */
	place.size = 96 * MIB;
	assert_int_equal(disk_dm.look(&place, &err), 0);
	assert_true(disk_dm.fits(&place));
	place.size = 64 * MIB - COW_CHUNK;
	assert_false(disk_dm.fits(&place));
	place.size = 96 * MIB;
	place.made = 96 * MIB;
	assert_lost(&place, "'disk.cow' is cut short");
	assert_int_equal(ftruncate(file, (off_t)cow_size(96 * MIB) - 1), 0);
	assert_lost(&place, "'disk.cow' is cut short");
	assert_int_equal(ftruncate(file, (off_t)cow_size(96 * MIB)), 0);
	assert_int_equal(disk_dm.look(&place, &err), 0);
	assert_int_equal(disk_dm.remove(&place, &err), 0);
	assert_lost(&place, "'disk.cow' is gone");
	disk_close(&d);
}

/* How the kernel finds it; what it would make of it otherwise is told before. */
static void a_broken_head(void **state)
{
	static const struct {
		const char *head, *how;
	} rows[] = {
		{ "\0\0\0\0\1\0\0\0\1\0\0\0\10\0\0\0", "'disk.cow' has lost its head" },
		{ "SnAq\1\0\0\0\1\0\0\0\10\0\0\0", "'disk.cow' is of another kind" },
		{ "SnAp\1\0\0\0\2\0\0\0\10\0\0\0", "'disk.cow' is of another kind" },
		{ "SnAp\1\0\0\0\1\0\0\0\20\0\0\0", "in chunks of another size" },
		{ "SnAp\0\0\0\0\1\0\0\0\10\0\0\0", "is marked as incomplete" },
	};
	struct disk_place place = { .dirfd = dir, .size = 64 * MIB, .made = 64 * MIB };
	struct disk d = DISK_INIT;
	struct err err = ERR_INIT;
	_cleanup_fd_ int file = -1;

	assert_int_equal(disk_dm.make(&place, -1, &d, &err), 0);
	file = openat(dir, "disk.cow", O_RDWR | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(fd_pwrite_full(file, rows[i].head, HEAD_SIZE, 0), 0);
		assert_lost(&place, rows[i].how);
	}
	/* Of a row that does not know whether it was used: by what is in it. */
	assert_int_equal(fd_pwrite_full(file, rows[0].head, HEAD_SIZE, 0), 0);
	place.made = 0;
	assert_int_equal(disk_dm.look(&place, &err), 0);
	assert_int_equal(posix_fallocate(file, 0, MIB), 0);
	assert_lost(&place, rows[0].how);
	assert_int_equal(fd_pwrite_full(file, HEAD, HEAD_SIZE, 0), 0);
	assert_int_equal(disk_dm.look(&place, &err), 0);
	place.made = 64 * MIB;
	assert_int_equal(disk_dm.look(&place, &err), 0);
	disk_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(a_broken_head, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
