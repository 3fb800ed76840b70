/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/operations: who sees which, what watchers are told, what is forgotten. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "bangerd/loop.h"
#include "bangerd/operations.h"
#include "common/str.h"

static struct loop *loop;
static struct operations *ops;

static int setup(void **state)
{
	struct err err = ERR_INIT;

	return loop_create(&loop, &err) < 0 || operations_create(loop, &ops, &err) < 0;
}

static int teardown(void **state)
{
	operations_destroy(ops);
	loop_destroy(loop);
	return 0;
}

static struct operation *begin(uid_t uid)
{
	struct err err = ERR_INIT;
	struct operation *o = NULL;

	assert_int_equal(operation_begin(ops, uid, "vm.create", &o, &err), 0);
	return o;
}

static void turn(void)
{
	struct err err = ERR_INIT;

	for (int i = 0; i < 4; i++)
		assert_int_equal(loop_turn(loop, 0, &err), 0);
}

static size_t count(uid_t uid)
{
	struct json_object *list;
	struct err err = ERR_INIT;
	size_t n;

	assert_int_equal(operations_list(ops, uid, &list, &err), 0);
	n = json_object_array_length(list);
	json_object_put(list);
	return n;
}

static bool is_cancelled(const struct operation *o)
{
	struct pollfd p = { .fd = operation_cancel_fd(o), .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void test_owners(void **state)
{
	struct operation *o = begin(1000), *found = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(operations_find(ops, 1001, operation_name(o), &found, &err), -1);
	assert_int_equal(err.code, ERR_not_found);
	assert_int_equal(operations_cancel(ops, 1001, operation_name(o), &err), -1);
	assert_false(is_cancelled(o));
	assert_int_equal(count(1001), 0);
	assert_int_equal(count(1000), 1);
	assert_int_equal(operations_find(ops, 0, operation_name(o), &found, &err), 0);
	assert_ptr_equal(found, o);
	operation_unref(found);
	assert_int_equal(operations_cancel(ops, 1000, operation_name(o), &err), 0);
	assert_true(is_cancelled(o));
	operation_end(o, NULL);
	operation_unref(o);
	turn();
}

static void test_description(void **state)
{
	struct operation *o = begin(5);
	struct err err = ERR_INIT, why = ERR_INIT;
	struct json_object *d, *m, *code;

	operation_stage(o, "disk", 2, 8);
	err_set(&why, ERR_no_space, "no space on \"/x\"");
	operation_end(o, &why);
	assert_int_equal(operation_describe(o, &d, &err), 0);
	assert_true(json_object_object_get_ex(d, "state", &m));
	assert_string_equal(json_object_get_string(m), "failed");
	assert_true(json_object_object_get_ex(d, "stage", &m));
	assert_string_equal(json_object_get_string(m), "disk");
	assert_true(json_object_object_get_ex(d, "error", &m));
	assert_true(json_object_object_get_ex(m, "code", &code));
	assert_string_equal(json_object_get_string(code), "no_space");
	json_object_put(d);
	operation_unref(o);
	turn();
}

struct watch {
	struct operation_watcher w;
	char seen[256];
	int ended;
};

static void on_changed(struct operation_watcher *w, const struct operation_view *v)
{
	struct watch *x = (struct watch *)(void *)w;
	size_t n = strlen(x->seen);

	snprintf(x->seen + n, sizeof(x->seen) - n, "%s:%u/%u ", v->stage, v->index, v->count);
}

static void on_ended(struct operation_watcher *w, struct operation *o)
{
	((struct watch *)(void *)w)->ended++;
}

#define WATCH                                                    \
	{                                                        \
		.w = {.changed = on_changed, .ended = on_ended } \
	}

/* Stages that come at once are all told; a late watcher is told them too, and the end. */
static void test_watchers(void **state)
{
	struct operation *o = begin(5);
	struct watch early = WATCH, late = WATCH, gone = WATCH, after = WATCH;

	operation_watch(o, &early.w);
	operation_watch(o, &gone.w);
	operation_stage(o, "a", 1, 3);
	operation_stage(o, "b", 2, 3);
	turn();
	assert_string_equal(early.seen, "a:1/3 b:2/3 ");
	operation_unwatch(&gone.w);
	operation_unwatch(&gone.w);
	operation_stage(o, "c", 3, 3);
	operation_watch(o, &late.w);
	turn();
	assert_string_equal(early.seen, "a:1/3 b:2/3 c:3/3 ");
	assert_string_equal(late.seen, "a:1/3 b:2/3 c:3/3 ");
	assert_string_equal(gone.seen, "a:1/3 b:2/3 ");
	assert_int_equal(early.ended, 0);
	operation_end(o, NULL);
	turn();
	assert_int_equal(early.ended, 1);
	assert_int_equal(late.ended, 1);
	assert_int_equal(gone.ended, 0);
	operation_watch(o, &after.w);
	assert_int_equal(after.ended, 0);
	turn();
	assert_int_equal(after.ended, 1);
	operation_unref(o);
}

/* 64 run at once, 128 ended ones are kept; one owner does not push out another's. */
static void test_bounds(void **state)
{
	struct operation *running[64], *one_more, *other = begin(6);
	struct err err = ERR_INIT;

	operation_end(other, NULL);
	operation_unref(other);
	for (int i = 0; i < 200; i++) {
		struct operation *o = begin(5);

		operation_end(o, NULL);
		operation_unref(o);
	}
	turn();
	assert_int_equal(count(5), 128);
	assert_int_equal(count(6), 1);
	for (size_t i = 0; i < ARRAY_SIZE(running); i++)
		running[i] = begin(5);
	assert_int_equal(operation_begin(ops, 5, "vm.create", &one_more, &err), -1);
	assert_int_equal(err.code, ERR_quota_exceeded);
	operations_cancel_all(ops);
	for (size_t i = 0; i < ARRAY_SIZE(running); i++) {
		assert_true(is_cancelled(running[i]));
		operation_end(running[i], NULL);
		operation_unref(running[i]);
	}
	turn();
	assert_int_equal(count(5), 128);
	assert_int_equal(count(0), 129);
}

/* Of a thousand that ended none holds an fd; to cancel one then is harmless. */
static void test_fds(void **state)
{
	struct operation *kept = begin(7);
	struct err err = ERR_INIT;
	int before, after;

	operation_end(kept, NULL);
	before = dup(STDERR_FILENO);
	for (uid_t uid = 100; uid < 1100; uid++) {
		struct operation *o = begin(uid);

		operation_end(o, NULL);
		operation_unref(o);
		turn();
	}
	after = dup(STDERR_FILENO);
	assert_true(before >= 0);
	assert_int_equal(after, before + 1);
	close(before);
	close(after);
	operation_cancel(kept);
	operations_cancel_all(ops);
	assert_int_equal(operations_cancel(ops, 7, operation_name(kept), &err), 0);
	assert_int_equal(operation_cancel_fd(kept), -1);
	operation_unref(kept);
	turn();
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_owners),
		T(test_description),
		T(test_watchers),
		T(test_bounds),
		T(test_fds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
