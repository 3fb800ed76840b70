/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/saga.h"

#include "bangerd/wait.h"

int saga_run(const struct saga_step *steps, size_t n, void *ctx, int cancel_fd,
	saga_progress progress, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		size_t begun = i;

		if (wait_cancelled(cancel_fd)) {
			r = err_set(err, ERR_cancelled, "cancelled before '%s'", steps[i].name);
		} else {
			if (progress)
				progress(ctx, steps[i].name, (unsigned)i + 1, (unsigned)n);
			begun = i + 1;
			r = steps[i].act(ctx, err);
		}
		if (r == 0)
			continue;
		while (begun-- > 0)
			if (steps[begun].undo)
				steps[begun].undo(ctx);
		return -1;
	}
	return 0;
}
