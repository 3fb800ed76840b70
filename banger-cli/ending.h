/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What a wait does when a signal asks banger to end: it stops, and says so. */
#include "banger-cli/cli.h"
#include "banger-cli/client.h"

struct ending {
	struct cli *cli;	 /* its exit status becomes the signal's; NULL: it stays */
	const char *consequence; /* "interrupted" and this is the message: ": nothing was made" */
	bool came;		 /* such a signal did */
};

/* Something to watch: the wait fails with `cancelled` when such a signal came on the fd of
 * signals_open(). *e lives as long. */
struct watch ending_watch(struct ending *e, int signals);
