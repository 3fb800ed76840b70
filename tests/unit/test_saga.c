/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/saga: what is done, what is undone, in which order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "bangerd/saga.h"
#include "common/fd.h"
#include "common/str.h"

struct trace {
	char text[256];
	char fails; /* the step that fails, or 0 */
	int cancel; /* eventfd that step b makes readable, or -1 */
};

static void note(struct trace *t, const char *what)
{
	strncat(t->text, what, sizeof(t->text) - strlen(t->text) - 1);
}

static int act(struct trace *t, char name, struct err *err)
{
	char what[] = { '+', name, ' ', '\0' };

	note(t, what);
	if (name == 'b' && t->cancel >= 0)
		assert_int_equal(eventfd_write(t->cancel, 1), 0);
	return t->fails == name ? err_set(err, ERR_busy, "step %c", name) : 0;
}

#define STEP(x)                                        \
	static int act_##x(void *ctx, struct err *err) \
	{                                              \
		return act(ctx, #x[0], err);           \
	}                                              \
	static void undo_##x(void *ctx)                \
	{                                              \
		note(ctx, "-" #x " ");                 \
	}
STEP(a)
STEP(b)
STEP(c)
static int act_d(void *ctx, struct err *err)
{
	return act(ctx, 'd', err);
}

static const struct saga_step steps[] = {
	{ "a", act_a, undo_a },
	{ "b", act_b, undo_b },
	{ "c", act_c, undo_c },
	{ "d", act_d, NULL },
};
static const struct saga saga = SAGA("test", steps);

static void on_step(void *ctx, const char *step, unsigned index, unsigned count)
{
	char what[32];

	snprintf(what, sizeof(what), "%s%u/%u", step, index, count);
	note(ctx, what);
}

static void all_well(void **state)
{
	struct trace t = { .cancel = -1 };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(saga_run(&saga, &t, -1, on_step, &err), 0);
	assert_string_equal(t.text, "a1/4+a b2/4+b c3/4+c d4/4+d ");
	assert_int_equal(err.code, ERR_none);
}

static void the_failing_step_is_undone_too(void **state)
{
	struct trace t = { .fails = 'c', .cancel = -1 };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(saga_run(&saga, &t, -1, NULL, &err), -1);
	assert_string_equal(t.text, "+a +b +c -c -b -a ");
	assert_int_equal(err.code, ERR_busy);
	assert_string_equal(err.msg, "step c");
}

static void a_step_without_undo(void **state)
{
	struct trace t = { .fails = 'd', .cancel = -1 };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(saga_run(&saga, &t, -1, NULL, &err), -1);
	assert_string_equal(t.text, "+a +b +c +d -c -b -a ");
}

static void cancelled_between_steps(void **state)
{
	_cleanup_fd_ int cancel = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct trace t = { .cancel = cancel };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(saga_run(&saga, &t, cancel, NULL, &err), -1);
	assert_string_equal(t.text, "+a +b -b -a ");
	assert_int_equal(err.code, ERR_cancelled);
}

static void cancelled_before_it_began(void **state)
{
	_cleanup_fd_ int cancel = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	struct trace t = { .cancel = -1 };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(saga_run(&saga, &t, cancel, NULL, &err), -1);
	assert_string_equal(t.text, "");
	assert_int_equal(err.code, ERR_cancelled);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_well),
		cmocka_unit_test(the_failing_step_is_undone_too),
		cmocka_unit_test(a_step_without_undo),
		cmocka_unit_test(cancelled_between_steps),
		cmocka_unit_test(cancelled_before_it_began),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
