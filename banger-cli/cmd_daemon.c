/* SPDX-License-Identifier: GPL-2.0-or-later */
/* banger daemon status. */
#include "banger-cli/cli.h"
#include "banger-cli/client.h"
#include "banger-cli/output.h"

int cmd_daemon_status(struct cli *cli, const struct args_daemon_status *args, struct err *err)
{
	_cleanup_reply_ struct reply reply = REPLY_INIT;

	if (cli_call(cli, RPC_METHOD_daemon_status, NULL, &reply, err) < 0)
		return -1;
	return args->output.format == format_json ? output_json(reply.result, err)
						  : output_members(reply.result, err);
}
