/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copy-on-write disks on a kernel with device-mapper, as root: usage: dm-test DIRECTORY. */
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/loop.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "banger-netd/dm.h"
#include "banger-netd/dm_disk.h"
#include "common/cow.h"
#include "common/fd.h"
#include "common/str.h"

#define SUITE	   4242
#define IMAGE_SIZE (UINT64_C(4) << 20)
#define DISK_SIZE  (UINT64_C(64) << 20)
#define MANY	   20
#define TURNS	   11

static const char *directory;
static struct dm dm = { .control = -1 };
static int image = -1;

static vm_id id(unsigned n)
{
	vm_id vm;

	str_format(vm.s, sizeof(vm.s), "%012x", n);
	return vm;
}

static void path_of(char *dst, size_t cap, const char *what, unsigned n)
{
	str_format(dst, cap, "%s/%s-%u", directory, what, n);
}

static int make_image(unsigned n, char fill)
{
	char path[256], block[4096];
	int fd;

	path_of(path, sizeof(path), "image", n);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	memset(block, fill, sizeof(block));
	for (uint64_t at = 0; at < IMAGE_SIZE; at += sizeof(block))
		assert_int_equal(fd_pwrite_full(fd, block, sizeof(block), at), 0);
	assert_int_equal(fsync(fd), 0);
	close(fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int open_cow(unsigned n, bool anew)
{
	char path[256];
	int fd;

	path_of(path, sizeof(path), "cow", n);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | (anew ? O_TRUNC : 0), 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)cow_size(DISK_SIZE)), 0);
	return fd;
}

static int attach(unsigned n, bool anew, struct err *err)
{
	vm_id vm = id(n);
	int cow = open_cow(n, anew), disk = -1;
	int r = dm_disk_attach(&dm, &vm, image, cow, DISK_SIZE, &disk, err);

	close(cow);
	return r < 0 ? -1 : disk;
}

static int must_attach(unsigned n, bool anew)
{
	struct err err = ERR_INIT;
	int disk = attach(n, anew, &err);

	if (disk < 0)
		fail_msg("%s", err.msg);
	return disk;
}

static void detach(unsigned n)
{
	struct err err = ERR_INIT;
	vm_id vm = id(n);

	if (dm_disk_detach(&dm, &vm, &err) < 0)
		fail_msg("%s", err.msg);
}

static char byte_at(int disk, uint64_t at)
{
	char block[4096];

	assert_int_equal(fd_pread_full(disk, block, sizeof(block), at), sizeof(block));
	for (size_t i = 1; i < sizeof(block); i++)
		assert_int_equal(block[i], block[0]);
	return block[0];
}

static void put(int disk, uint64_t at, char fill)
{
	char block[4096];

	memset(block, fill, sizeof(block));
	assert_int_equal(fd_pwrite_full(disk, block, sizeof(block), at), 0);
	assert_int_equal(fsync(disk), 0);
}

static int count(void *ctx, const char *name, struct err *err)
{
	(*(unsigned *)ctx)++;
	return 0;
}

static unsigned devices(void)
{
	struct err err = ERR_INIT;
	unsigned n = 0;

	assert_int_equal(dm_each(&dm, count, &n, &err), 0);
	return n;
}

/* A base goes by itself, soon after its last disk. */
static void none_left(void)
{
	for (int i = 0; devices() > 0 && i < 100; i++)
		usleep(20000);
	assert_int_equal(devices(), 0);
}

static unsigned loops_of(const char *what)
{
	char command[256], out[32] = "";
	FILE *f;

	snprintf(command, sizeof(command),
		"cat /sys/block/loop*/loop/backing_file 2>/dev/null | grep -c '^%s/%s'", directory,
		what);
	f = popen(command, "r");
	assert_non_null(f);
	assert_non_null(fgets(out, sizeof(out), f));
	pclose(f);
	return (unsigned)strtoul(out, NULL, 10);
}

static void disks_differ_and_keep(void **state)
{
	struct err err = ERR_INIT;
	vm_id one = id(1), next, none = id(0);
	uint64_t used, total;
	int a = must_attach(1, true), b = must_attach(2, true);

	assert_int_equal(byte_at(a, 0), 'i');
	assert_int_equal(byte_at(a, IMAGE_SIZE - 4096), 'i');
	assert_int_equal(byte_at(a, IMAGE_SIZE), 0);
	assert_int_equal(byte_at(a, DISK_SIZE - 4096), 0);
	put(a, 0, 'a');
	put(a, DISK_SIZE - 4096, 'z');
	assert_int_equal(byte_at(b, 0), 'i');
	assert_int_equal(byte_at(image, 0), 'i');
	assert_int_equal(dm_disk_usage(&dm, &one, &used, &total, &err), 0);
	assert_true(used >= 2 * 4096 && used <= 8 * 4096 && total == cow_size(DISK_SIZE));
	assert_int_equal(dm_disk_next(&dm, &none, &next, &err), 1);
	assert_string_equal(next.s, one.s);
	assert_int_equal(dm_disk_next(&dm, &next, &next, &err), 1);
	assert_string_equal(next.s, id(2).s);
	assert_int_equal(dm_disk_next(&dm, &next, &next, &err), 0);
	assert_int_equal(loops_of("image"), 1);
	close(a);
	close(b);
	detach(1);
	detach(2);
	detach(2); /* none is fine */
	none_left();
	assert_int_equal(loops_of(""), 0);
	a = must_attach(1, false);
	assert_int_equal(byte_at(a, 0), 'a');
	assert_int_equal(byte_at(a, DISK_SIZE - 4096), 'z');
	close(a);
	detach(1);
	none_left();
}

static void in_use_goes_with_the_last_close(void **state)
{
	int a = must_attach(1, true);

	detach(1);
	assert_int_equal(devices(), 2);
	put(a, 4096, 'b'); /* it works to the end */
	close(a);
	none_left();
	assert_int_equal(loops_of(""), 0);
}

static void many_on_one_base(void **state)
{
	uint64_t total = cow_size(DISK_SIZE);
	int disks[MANY];

	for (unsigned i = 0; i < MANY; i++)
		disks[i] = must_attach(i + 1, true);
	assert_int_equal(devices(), MANY + 1);
	assert_int_equal(loops_of("image"), 1);
	assert_int_equal(loops_of("cow"), MANY);
	assert_true(total > DISK_SIZE);
	for (unsigned i = 0; i < MANY; i++) {
		close(disks[i]);
		detach(i + 1);
	}
	none_left();
	assert_int_equal(loops_of(""), 0);
}

/* Somebody's device by the name of ours, and another suite's. */
static void foreign_is_left_alone(void **state)
{
	struct dm other = { .control = dm.control, .suite = SUITE + 1 };
	struct dm_table table = { .n = 1,
		.target = { { .start = 0, .length = 8, .type = "zero" } } };
	struct dm_info info;
	struct err err = ERR_INIT;
	char name[DM_NAME_MAX];
	vm_id vm = id(1);
	dev_t dev;

	str_format(name, sizeof(name), "banger-%s", vm.s);
	assert_int_equal(dm_create(&other, name, &table, false, &dev, &err), 0);
	assert_int_equal(attach(1, true, &err), -1);
	assert_int_equal(err.code, ERR_already_exists);
	assert_int_equal(dm_disk_detach(&dm, &vm, &err), -1);
	assert_int_equal(dm_find(&other, name, &info, &err), 1);
	assert_true(info.live && info.dev == dev);
	assert_int_equal(devices(), 0);
	assert_int_equal(dm_remove(&other, name, &err), 0);
	assert_int_equal(loops_of(""), 0);
}

/* What a crash between making a device and loading its table leaves. */
static void half_made_is_made_anew(void **state)
{
	char command[256], name[DM_NAME_MAX];
	vm_id vm = id(1);
	int a;

	str_format(name, sizeof(name), "banger-%s", vm.s);
	str_format(command, sizeof(command),
		"dmsetup create --notable --uuid BANGER-%d-%s %s >/dev/null", SUITE, name, name);
	assert_int_equal(system(command), 0);
	a = must_attach(1, true);
	assert_int_equal(byte_at(a, 0), 'i');
	close(a);
	detach(1);
	none_left();
}

/* What a crash leaves between making a base and marking it; one in use, and another suite's, stay.
 */
static void unmarked_base_goes(void **state)
{
	struct dm other = { .control = dm.control, .suite = SUITE + 1 };
	struct dm_table table = { .n = 1,
		.target = { { .start = 0, .length = 8, .type = "zero" } } };
	struct dm_info info;
	struct err err = ERR_INIT;
	dev_t dev;
	int a = must_attach(1, true);

	assert_int_equal(dm_create(&dm, "banger-base-1-2-3", &table, true, &dev, &err), 0);
	assert_int_equal(dm_create(&other, "banger-base-1-2-4", &table, true, &dev, &err), 0);
	assert_int_equal(devices(), 3);
	assert_int_equal(dm_disk_tidy(&dm, &err), 0);
	assert_int_equal(dm_find(&dm, "banger-base-1-2-3", &info, &err), 0);
	assert_int_equal(devices(), 2);
	put(a, 0, 't');
	close(a);
	detach(1);
	none_left();
	assert_int_equal(dm_find(&other, "banger-base-1-2-4", &info, &err), 1);
	assert_int_equal(dm_remove(&other, "banger-base-1-2-4", &err), 0);
}

/* What the kernel would take for new, or would take its word for, is not given to it. */
static void broken_differences_are_refused(void **state)
{
	static const struct {
		const char *what;
		uint32_t head[4]; /* magic, valid, version, size of chunks in sectors */
	} heads[] = {
		{ "another magic", { 0x70416e54, 1, 1, 8 } },
		{ "another version", { 0x70416e53, 1, 2, 8 } },
		{ "not valid", { 0x70416e53, 0, 1, 8 } },
		{ "chunks of no size", { 0x70416e53, 1, 1, 0 } },
		{ "chunks of 1 GiB", { 0x70416e53, 1, 1, 1U << 21 } },
		{ "a lost head", { 0, 0, 0, 0 } },
	};
	char block[64 * 1024];

	memset(block, 'd', sizeof(block));
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		struct err err = ERR_INIT;
		int cow = open_cow(1, true);

		assert_int_equal(fd_pwrite_full(cow, block, sizeof(block), 4096), 0);
		assert_int_equal(fd_pwrite_full(cow, heads[i].head, sizeof(heads[i].head), 0), 0);
		assert_int_equal(fsync(cow), 0);
		close(cow);
		if (attach(1, false, &err) != -1)
			fail_msg("attached: %s", heads[i].what);
		assert_int_equal(err.code, ERR_bad_input);
		assert_int_equal(devices(), 0);
		assert_int_equal(loops_of(""), 0);
	}
}

/* The image is changed after netd looked at it. */
static void changed_image_is_refused(void **state)
{
	static const int64_t sizes[] = { 0, 512, IMAGE_SIZE + 1, DISK_SIZE + 4096,
		INT64_C(1) << 43 };
	int kept = image;

	image = make_image(1, 'c');
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct err err = ERR_INIT;
		char path[256];

		path_of(path, sizeof(path), "image", 1);
		assert_int_equal(truncate(path, sizes[i]), 0);
		assert_int_equal(attach(1, true, &err), -1);
		assert_int_equal(err.code, ERR_bad_request);
		assert_int_equal(devices(), 0);
		assert_int_equal(loops_of(""), 0);
	}
	close(image);
	image = kept;
}

/* Cut while it is in use, it is the disk's loss alone. */
static void cut_image_is_no_ones_else(void **state)
{
	int kept = image, a, b = must_attach(2, true);
	char path[256], block[4096];

	image = make_image(1, 'c');
	a = must_attach(1, true);
	path_of(path, sizeof(path), "image", 1);
	assert_int_equal(truncate(path, 4096), 0);
	assert_int_not_equal(pread(a, block, sizeof(block), IMAGE_SIZE - 4096), 0);
	assert_int_equal(byte_at(b, IMAGE_SIZE - 4096), 'i');
	close(image);
	image = kept;
	close(a);
	close(b);
	detach(1);
	detach(2);
	none_left();
	assert_int_equal(loops_of(""), 0);
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* What the calls of one attach or detach took. */
enum { CALL_FREE, CALL_CONFIGURE, CALL_STATUS, CALL_CREATE, CALL_LOAD, CALL_RESUME, CALL_REMOVE };

static const struct {
	unsigned long request;
	const char *name;
} calls[] = {
	[CALL_FREE] = { LOOP_CTL_GET_FREE, "loop free" },
	[CALL_CONFIGURE] = { LOOP_CONFIGURE, "loop configure" },
	[CALL_STATUS] = { DM_DEV_STATUS, "dm status" },
	[CALL_CREATE] = { DM_DEV_CREATE, "dm create" },
	[CALL_LOAD] = { DM_TABLE_LOAD, "dm load" },
	[CALL_RESUME] = { DM_DEV_SUSPEND, "dm resume" },
	[CALL_REMOVE] = { DM_DEV_REMOVE, "dm remove" },
};

static double spent[ARRAY_SIZE(calls)];

int __real_ioctl(int fd, unsigned long request, void *arg);
int __wrap_ioctl(int fd, unsigned long request, void *arg);

/* All that is linked in here calls this one. */
int __wrap_ioctl(int fd, unsigned long request, void *arg)
{
	double begun = now_ms();
	int r = __real_ioctl(fd, request, arg), saved = errno;

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i].request == request)
			spent[i] += now_ms() - begun;
	errno = saved;
	return r;
}

static int by_value(const void *a, const void *b)
{
	return *(const double *)a < *(const double *)b ? -1
						       : *(const double *)a > *(const double *)b;
}

static double p50(double *v)
{
	qsort(v, TURNS, sizeof(*v), by_value);
	return v[TURNS / 2];
}

struct times {
	double all[TURNS], call[ARRAY_SIZE(calls)][TURNS];
};

static void note(struct times *t, size_t turn, double begun)
{
	t->all[turn] = now_ms() - begun;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		t->call[i][turn] = spent[i];
	memset(spent, 0, sizeof(spent));
}

static void print_times(const char *what, struct times *t)
{
	double in_calls = 0, all = p50(t->all);

	printf("figure: %s %.2f ms:", what, all);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		double call = p50(t->call[i]);

		in_calls += call;
		if (call >= 0.005)
			printf(" %s %.2f,", calls[i].name, call);
	}
	printf(" the rest %.2f (p50 of %d)\n", all - in_calls, TURNS);
}

static void figures(void **state)
{
	static struct times made, removed, made_base;
	int first, disk;
	double begun;

	for (size_t i = 0; i < TURNS; i++) {
		memset(spent, 0, sizeof(spent));
		begun = now_ms();
		first = must_attach(1, true);
		note(&made_base, i, begun);
		begun = now_ms();
		disk = must_attach(2, true);
		note(&made, i, begun);
		close(disk);
		memset(spent, 0, sizeof(spent));
		begun = now_ms();
		detach(2);
		note(&removed, i, begun);
		close(first);
		detach(1);
		none_left();
	}
	print_times("attach of the first disk on a base", &made_base);
	print_times("attach of another", &made);
	print_times("detach", &removed);
	/* As `dmsetup create` and `remove` do it: three calls, and one. */
	printf("the snapshot alone: create %.2f ms, remove %.2f\n",
		p50(made.call[CALL_CREATE]) + p50(made.call[CALL_LOAD]) +
			p50(made.call[CALL_RESUME]),
		p50(removed.call[CALL_REMOVE]));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disks_differ_and_keep),
		cmocka_unit_test(in_use_goes_with_the_last_close),
		cmocka_unit_test(many_on_one_base),
		cmocka_unit_test(foreign_is_left_alone),
		cmocka_unit_test(half_made_is_made_anew),
		cmocka_unit_test(unmarked_base_goes),
		cmocka_unit_test(broken_differences_are_refused),
		cmocka_unit_test(changed_image_is_refused),
		cmocka_unit_test(cut_image_is_no_ones_else),
		cmocka_unit_test(figures),
	};
	struct err err = ERR_INIT;
	int failed;

	if (argc < 2 || argc > 3 || argv[1][0] != '/') {
		fprintf(stderr, "usage: dm-test DIRECTORY [TEST]\n");
		return 2;
	}
	directory = argv[1];
	if (argc == 3)
		cmocka_set_test_filter(argv[2]);
	if (dm_open(SUITE, &dm, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	image = make_image(0, 'i');
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	close(image);
	dm_close(&dm);
	return failed != 0;
}
