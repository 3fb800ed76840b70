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
	assert_int_equal(fd_pwrite_full(file, "SnAp", 4, 0), 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_lost, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
