/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Run something in a running VM and be its terminal: vm.exec, then the session. */
#include <stdbool.h>

#include "banger-cli/cli.h"
#include "banger-cli/client.h"

struct attach {
	const char *vm;
	const struct words *argv;	    /* empty: the user's login shell */
	const struct args_process *process; /* NULL: as the VM was made */
	bool tty;
	bool no_stdin;
	int signals;
};

/* The command's exit status, 128 + N for a signal (which ended it, or banger). -1: banger failed.
 */
int attach_run(struct cli *cli, struct client *c, const struct attach *a, struct err *err);
