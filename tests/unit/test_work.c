/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/work: shares, queues, and that nothing is lost. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "bangerd/loop.h"
#include "bangerd/work.h"
#include "common/log.h"
#include "common/str.h"

#define WORKERS 8

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int running_of[4], ran, done;
static bool open_gate;

struct item {
	struct work_item work;
	uint64_t saw_op;
};

static void run(struct work_item *w)
{
	struct item *i = (struct item *)(void *)w;

	i->saw_op = log_op();
	pthread_mutex_lock(&lock);
	running_of[w->uid]++;
	pthread_cond_broadcast(&changed);
	while (!open_gate)
		pthread_cond_wait(&changed, &lock);
	running_of[w->uid]--;
	ran++;
	pthread_mutex_unlock(&lock);
}

static void on_done(struct work_item *w)
{
	done++;
}

static struct loop *loop;
static struct work *work;

static int setup(void **state)
{
	struct err err = ERR_INIT;

	open_gate = false;
	ran = done = 0;
	return loop_create(&loop, &err) < 0 || work_create(loop, WORKERS, &work, &err) < 0;
}

static int teardown(void **state)
{
	work_destroy(work);
	loop_destroy(loop);
	return 0;
}

static int submit(struct item *i, uid_t uid, enum work_class class, struct err *err)
{
	*i = (struct item){
		.work = { .run = run, .done = on_done, .uid = uid, .class = class, .op = 77 }
	};
	return work_submit(work, &i->work, err);
}

/* Wait until n run for uid; then a little, so that one too many would show. */
static void expect_running(uid_t uid, int n)
{
	for (int i = 0; i < 500; i++) {
		int now;

		pthread_mutex_lock(&lock);
		now = running_of[uid];
		pthread_mutex_unlock(&lock);
		if (now >= n)
			break;
		usleep(10000);
	}
	usleep(50000);
	pthread_mutex_lock(&lock);
	assert_int_equal(running_of[uid], n);
	pthread_mutex_unlock(&lock);
}

static void open_the_gate(void)
{
	pthread_mutex_lock(&lock);
	open_gate = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void drain_loop(int n)
{
	struct err err = ERR_INIT;

	for (int i = 0; i < 200 && done < n; i++)
		assert_int_equal(loop_turn(loop, 20000, &err), 0);
	assert_int_equal(done, n);
}

/* 8 workers: of one uid 8 - 2 - 1 = 5 long ones, 6 calls, 7 urgent ones. */
static void test_shares(void **state)
{
	struct item items[64];
	struct err err = ERR_INIT;
	int n = 0;

	for (int i = 0; i < 12; i++)
		assert_int_equal(submit(&items[n++], 1, WORK_LONG, &err), 0);
	expect_running(1, 5);
	for (int i = 0; i < 12; i++)
		assert_int_equal(submit(&items[n++], 1, WORK_CALL, &err), 0);
	expect_running(1, 6);
	/* Another's call finds a worker, and what ends the long ones does. */
	assert_int_equal(submit(&items[n++], 2, WORK_CALL, &err), 0);
	expect_running(2, 1);
	for (int i = 0; i < 4; i++)
		assert_int_equal(submit(&items[n++], 1, WORK_URGENT, &err), 0);
	expect_running(1, 7);
	/* Whoever has all of the others: the daemon's own work begins. */
	for (int i = 0; i < 4; i++)
		assert_int_equal(submit(&items[n++], 2, WORK_URGENT, &err), 0);
	expect_running(2, 2);
	for (int i = 0; i < 4; i++)
		assert_int_equal(submit(&items[n++], 3, WORK_OWN, &err), 0);
	expect_running(3, 4);
	open_the_gate();
	work_drain(work);
	assert_int_equal(ran, n);
	assert_int_equal(items[0].saw_op, 77);
	drain_loop(n);
	assert_true(work_is_idle(work));
}

/* Two uids want all there is: each class has a worker for a third one. */
static void test_two_leave_others_one(void **state)
{
	static const struct {
		enum work_class class;
		int first, second;
	} rows[] = {
		{ WORK_LONG, 5, 1 },   /* of 7 */
		{ WORK_CALL, 6, 1 },   /* of 8, the long ones among them: no more */
		{ WORK_URGENT, 7, 2 }, /* of 10 */
	};
	struct item items[128];
	struct err err = ERR_INIT;
	int n = 0;

	for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
		for (int i = 0; i < 12; i++)
			assert_int_equal(submit(&items[n++], 1, rows[k].class, &err), 0);
		expect_running(1, rows[k].first);
		for (int i = 0; i < 12; i++)
			assert_int_equal(submit(&items[n++], 2, rows[k].class, &err), 0);
		expect_running(2, rows[k].second);
	}
	assert_int_equal(submit(&items[n++], 3, WORK_URGENT, &err), 0);
	expect_running(3, 1);
	open_the_gate();
	work_drain(work);
	assert_int_equal(ran, n);
	drain_loop(n);
}

/* What a third one asks for is as long as what two fill the pool with: a VM's start. */
static void test_a_third_one_starts(void **state)
{
	struct item items[32];
	struct err err = ERR_INIT;
	int n = 0;

	for (int i = 0; i < 12; i++)
		assert_int_equal(submit(&items[n++], 1, WORK_LONG, &err), 0);
	expect_running(1, 5);
	for (int i = 0; i < 12; i++)
		assert_int_equal(submit(&items[n++], 2, WORK_LONG, &err), 0);
	expect_running(2, 1);
	assert_int_equal(submit(&items[n++], 3, WORK_LONG, &err), 0);
	expect_running(3, 1);
	open_the_gate();
	work_drain(work);
	assert_int_equal(ran, n);
	drain_loop(n);
}

static void test_queue_is_bounded(void **state)
{
	enum { MANY = 1024 };
	struct item *items = calloc(MANY, sizeof(*items));
	struct item duty;
	struct err err = ERR_INIT;
	int taken = 0;

	assert_non_null(items);
	while (taken < MANY && submit(&items[taken], 1, WORK_CALL, &err) == 0)
		taken++;
	assert_int_equal(err.code, ERR_busy);
	assert_true(taken >= 128 && taken <= 128 + 6);
	/* The next one has a queue of its own; a duty is never refused. */
	err = (struct err)ERR_INIT;
	assert_int_equal(submit(&items[taken++], 2, WORK_CALL, &err), 0);
	duty = (struct item){ .work = { .run = run, .uid = 1, .class = WORK_CALL } };
	work_submit_duty(work, &duty.work);
	open_the_gate();
	work_drain(work);
	assert_int_equal(ran, taken + 1);
	drain_loop(taken);
	free(items);
}

static void free_it(struct work_item *w)
{
	free(w);
	pthread_mutex_lock(&lock);
	ran++;
	pthread_mutex_unlock(&lock);
}

/* Without `done` the item is run()'s to free. */
static void test_freed_by_run(void **state)
{
	struct err err = ERR_INIT;

	for (int i = 0; i < 100; i++) {
		struct work_item *w = calloc(1, sizeof(*w));

		assert_non_null(w);
		*w = (struct work_item){ .run = free_it, .uid = 3, .class = WORK_CALL };
		assert_int_equal(work_submit(work, w, &err), 0);
	}
	work_drain(work);
	assert_int_equal(ran, 100);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_shares),
		T(test_two_leave_others_one),
		T(test_a_third_one_starts),
		T(test_queue_is_bounded),
		T(test_freed_by_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
