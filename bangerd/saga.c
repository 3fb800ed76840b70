/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/saga.h"

#include "bangerd/wait.h"
#include "common/failpoint.h"
#include "common/str.h"

#ifdef BANGER_FAILPOINTS
static int fail_at(
	const struct saga *s, size_t step, const char *where, int cancel_fd, struct err *err)
{
	char name[FAILPOINT_NAME];

	str_format(name, sizeof(name), "%s/%s:%s", s->name, s->steps[step].name, where);
	return failpoint_pass_name(name, cancel_fd, err);
}
#define FAIL_AT(...) fail_at(__VA_ARGS__)
#else
#define FAIL_AT(s, step, where, cancel_fd, err) ((void)(err), 0)
#endif

static int run_step(const struct saga *s, size_t i, void *ctx, int cancel_fd, struct err *err)
{
	if (FAIL_AT(s, i, "before", cancel_fd, err) < 0 || s->steps[i].act(ctx, err) < 0)
		return -1;
	/* What is done is done: nothing is left that could fail. */
	if (i + 1 == s->n) {
		struct err late = ERR_INIT;

		(void)FAIL_AT(s, i, "after", cancel_fd, &late);
		return 0;
	}
	return FAIL_AT(s, i, "after", cancel_fd, err);
}

static void undo_steps(const struct saga *s, size_t begun, void *ctx)
{
	while (begun-- > 0) {
		struct err err = ERR_INIT;

		if (!s->steps[begun].undo)
			continue;
		/* What undoes cannot be told to stop: it can end with its process alone. */
		if (FAIL_AT(s, begun, "undo", -1, &err) == 0)
			s->steps[begun].undo(ctx);
	}
}

int saga_run(
	const struct saga *s, void *ctx, int cancel_fd, saga_progress progress, struct err *err)
{
	for (size_t i = 0; i < s->n; i++) {
		if (wait_cancelled(cancel_fd)) {
			undo_steps(s, i, ctx);
			return err_set(
				err, ERR_cancelled, "cancelled before '%s'", s->steps[i].name);
		}
		if (progress)
			progress(ctx, s->steps[i].name, (unsigned)i + 1, (unsigned)s->n);
		if (run_step(s, i, ctx, cancel_fd, err) < 0) {
			undo_steps(s, i + 1, ctx);
			return -1;
		}
	}
	return 0;
}
