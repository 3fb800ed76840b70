/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/ending.h"

#include "banger-cli/signals.h"

static int on_signal(struct watch *w, struct err *err)
{
	struct ending *e = w->ctx;
	int signo;

	while ((signo = signals_next(w->fd)) > 0) {
		if (!signals_ends(signo))
			continue;
		e->came = true;
		if (e->cli)
			e->cli->failure = EXIT_SIGNAL + signo;
		return err_set(err, ERR_cancelled, "%s%s", signals_word(signo), e->consequence);
	}
	return 0;
}

struct watch ending_watch(struct ending *e, int signals)
{
	return (struct watch){ .fd = signals, .ready = on_signal, .ctx = e };
}
