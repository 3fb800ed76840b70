/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What every command is handed, and the commands themselves. */
#include <stdbool.h>

#include "banger-cli/client.h"
#include "banger-cli/commands.h"
#include "common/err.h"

/* Exit statuses, as banger(1) has them. */
#define EXIT_ERROR	    1
#define EXIT_USAGE	    2
#define EXIT_BANGER	    125 /* banger itself failed, where else the status is the command's */
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND	    127
#define EXIT_SIGNAL	    128 /* + the signal's number */

struct params;

struct cli {
	const char *socket; /* the daemon's */
	int failure;	    /* exit status when the command fails */
	bool usage;	    /* it failed because of what was asked for */
};

/* Connect to the daemon; the message says how to start it. */
int cli_connect(const struct cli *cli, struct client **ret, struct err *err);

/* One request, on a connection of its own. `p` is finished; NULL: it has no parameters. */
int cli_call(const struct cli *cli, enum rpc_method method, struct params *p, struct reply *ret,
	struct err *err);

/* Fail for what was asked for: exit status 2, with a word on --help. Always -1. */
int cli_refuse(struct cli *cli, struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* "banger: …" on standard error, cleaned. */
void cli_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The commands: an exit status, or -1 and *err, which main() prints. */
#define COMMAND(ident, group, verb, aliases, doc) \
	int cmd_##ident(struct cli *cli, const struct args_##ident *args, struct err *err);
#include "banger-cli/commands.tbl.h"
