/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/disk_rule: when VMs are paused, and go on; a host that fills up, step by step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bangerd/disk_rule.h"
#include "common/str.h"

#define MIB UINT64_C(1048576)
#define GIB (1024 * MIB)

static struct disk_space space(uint64_t free, uint64_t fall)
{
	return (struct disk_space){
		.free = free, .total = 100 * GIB, .keep = 512 * MIB, .fall = fall
	};
}

static void levels(void **state)
{
	/* What is above the line: 99.5 GiB, of which 19.9 are the last 20 %, 24.9 the last 25 %. */
	static const struct {
		uint64_t free, fall;
		enum disk_level before, level;
	} cases[] = {
		{ 100 * GIB, 0, DISK_ROOMY, DISK_ROOMY },
		{ 21 * GIB, 0, DISK_ROOMY, DISK_ROOMY },
		{ 20 * GIB, 0, DISK_ROOMY, DISK_NEAR },
		{ 24 * GIB, 0, DISK_NEAR, DISK_NEAR }, /* no news at each MiB */
		{ 26 * GIB, 0, DISK_NEAR, DISK_ROOMY },
		{ 513 * MIB, 0, DISK_NEAR, DISK_NEAR },
		{ 512 * MIB, 0, DISK_NEAR, DISK_LOW },
		{ 257 * MIB, 0, DISK_LOW, DISK_LOW },
		{ 256 * MIB, 0, DISK_LOW, DISK_FULL },
		{ 0, 0, DISK_LOW, DISK_FULL },
		{ 513 * MIB, 0, DISK_FULL, DISK_NEAR },
		/* Quick writers are stopped earlier; not, where there is much room. */
		{ 512 * MIB + 171 * MIB, 500 * MIB, DISK_NEAR, DISK_LOW },
		{ 512 * MIB + 180 * MIB, 500 * MIB, DISK_NEAR, DISK_NEAR },
		{ 512 * MIB + 1200 * MIB, 2 * GIB, DISK_NEAR, DISK_LOW },
		{ 10 * GIB, 2 * GIB, DISK_NEAR, DISK_NEAR },
		{ 513 * MIB, UINT64_MAX, DISK_NEAR, DISK_LOW },
		{ 10 * MIB, UINT64_MAX, DISK_NEAR, DISK_FULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct disk_space s = space(cases[i].free, cases[i].fall);

		if (disk_rule_level(&s, cases[i].before) != cases[i].level)
			fail_msg("case %zu: %s", i,
				disk_level_name(disk_rule_level(&s, cases[i].before)));
	}
}

/* A file system smaller than what is to stay free, and none at all. */
static void odd_sizes(void **state)
{
	struct disk_space s = { .free = 100 * MIB, .total = 200 * MIB, .keep = 512 * MIB };

	assert_int_equal(disk_rule_level(&s, DISK_ROOMY), DISK_FULL);
	s = (struct disk_space){ 0 };
	assert_int_equal(disk_rule_level(&s, DISK_ROOMY), DISK_FULL);
	s = (struct disk_space){ .free = UINT64_MAX, .total = UINT64_MAX, .keep = UINT64_MAX };
	assert_int_equal(disk_rule_level(&s, DISK_ROOMY), DISK_LOW);
	assert_true(disk_rule_missing(&s) == 0);
	assert_true(disk_rule_line(0) == DISK_LINE_MIN);
	assert_true(disk_rule_line(GIB) == GIB);
}

/* Whatever is written from one look to the next, it is at most half of what is above the line; and
 * nobody looks all the time. */
static void intervals(void **state)
{
	for (uint64_t free = 0; free < 200 * GIB; free += free / 16 + MIB) {
		struct disk_space s = space(free, 0);
		unsigned ms = disk_rule_interval_ms(&s);
		uint64_t written = ms * (DISK_RATE / 1000);

		assert_in_range(ms, DISK_LOOK_MIN_MS, DISK_LOOK_MAX_MS);
		if (free > 512 * MIB && ms > DISK_LOOK_MIN_MS)
			assert_true(written <= (free - 512 * MIB) / 2);
	}
}

/* A writer of each speed, seen by the watch as it looks: what is left when it stands still. */
static void writers(void **state)
{
	static const uint64_t speeds[] = { 1, 20, 100, 500, 1000, 2048 };

	for (size_t i = 0; i < ARRAY_SIZE(speeds); i++) {
		uint64_t per_ms = speeds[i] * MIB / 1000, fall = 0;
		struct disk_space s = space(60 * GIB, 0);
		enum disk_level level = DISK_ROOMY;
		unsigned looks = 0;

		while (level < DISK_LOW) {
			unsigned ms = disk_rule_interval_ms(&s);

			fall = per_ms * ms < s.free ? per_ms * ms : s.free;
			s.free -= fall;
			s.fall = fall / ms * 1000;
			level = disk_rule_level(&s, level);
			looks++;
		}
		assert_true(s.free > per_ms * DISK_PAUSE_MS);
		s.free -= per_ms * DISK_PAUSE_MS;
		assert_true(s.free >= 512 * MIB - 2 * MIB);
		assert_true(s.free <= 512 * MIB + speeds[i] * MIB * 7 / 10);
		assert_true(looks < 500000);
	}
}

static void missing(void **state)
{
	struct disk_space s = space(640 * MIB, 0);

	assert_true(disk_rule_missing(&s) == 0);
	s.free = 600 * MIB;
	assert_true(disk_rule_missing(&s) == 40 * MIB);
	s = (struct disk_space){ .free = 0, .total = GIB, .keep = 0 };
	assert_true(disk_rule_missing(&s) == 48 * MIB);
}

static void files_of_differences(void **state)
{
	assert_false(disk_rule_cow_warns(0, 0, false));
	assert_false(disk_rule_cow_warns(79 * MIB, 100 * MIB, false));
	assert_true(disk_rule_cow_warns(80 * MIB, 100 * MIB, false));
	assert_true(disk_rule_cow_warns(76 * MIB, 100 * MIB, true));
	assert_false(disk_rule_cow_warns(74 * MIB, 100 * MIB, true));
	assert_true(disk_rule_cow_warns(UINT64_MAX, UINT64_MAX, false));
}

static void actions(void **state)
{
	const struct disk_user idle = { .runs = true }, writer = { .runs = true, .grew = true },
			       lost = { .runs = true, .lost = true },
			       begins = { .starting = true, .grew = true },
			       quiet_start = { .starting = true }, user = { 0 },
			       just = { .by_watch = true },
			       waits = { .by_watch = true, .rested = true },
			       broken = { .by_watch = true, .rested = true, .lost = true };
	const struct {
		const struct disk_user *u;
		enum disk_action at[4]; /* by level */
	} cases[] = {
		{ &idle, { DISK_LEAVE, DISK_LEAVE, DISK_LEAVE, DISK_PAUSE } },
		{ &writer, { DISK_LEAVE, DISK_LEAVE, DISK_PAUSE, DISK_PAUSE } },
		{ &lost, { DISK_PAUSE_LOST, DISK_PAUSE_LOST, DISK_PAUSE_LOST, DISK_PAUSE_LOST } },
		{ &begins, { DISK_LEAVE, DISK_LEAVE, DISK_LEAVE, DISK_PAUSE } },
		{ &quiet_start, { DISK_LEAVE, DISK_LEAVE, DISK_LEAVE, DISK_LEAVE } },
		{ &user, { DISK_LEAVE, DISK_LEAVE, DISK_LEAVE, DISK_LEAVE } },
		{ &just, { DISK_LEAVE, DISK_LEAVE, DISK_LEAVE, DISK_LEAVE } },
		{ &waits, { DISK_RESUME, DISK_RESUME, DISK_LEAVE, DISK_LEAVE } },
		{ &broken, { DISK_LEAVE, DISK_LEAVE, DISK_LEAVE, DISK_LEAVE } },
	};
	const uint64_t free[] = { 50 * GIB, 2 * GIB, 500 * MIB, 100 * MIB };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (unsigned level = DISK_ROOMY; level <= DISK_FULL; level++) {
			struct disk_space s = space(free[level], 0);

			assert_int_equal(disk_rule_level(&s, DISK_NEAR), level);
			assert_int_equal(disk_rule_action(&s, (enum disk_level)level, cases[i].u),
				cases[i].at[level]);
		}
}

/* Just above the line nobody goes on: it would be paused again at once. */
static void not_too_early(void **state)
{
	const struct disk_user waits = { .by_watch = true, .rested = true };
	struct disk_space s = space(639 * MIB, 0);

	assert_int_equal(disk_rule_action(&s, DISK_NEAR, &waits), DISK_LEAVE);
	s.free = 640 * MIB;
	assert_int_equal(disk_rule_action(&s, DISK_NEAR, &waits), DISK_RESUME);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels),
		cmocka_unit_test(odd_sizes),
		cmocka_unit_test(intervals),
		cmocka_unit_test(writers),
		cmocka_unit_test(missing),
		cmocka_unit_test(files_of_differences),
		cmocka_unit_test(actions),
		cmocka_unit_test(not_too_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
