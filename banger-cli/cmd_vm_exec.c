/* SPDX-License-Identifier: GPL-2.0-or-later */
/* banger vm exec, shell. */
#include <unistd.h>

#include "banger-cli/attach.h"
#include "banger-cli/signals.h"
#include "common/fd.h"

static int attach_to(struct cli *cli, struct attach *a, struct err *err)
{
	_cleanup_client_ struct client *client = NULL;
	_cleanup_fd_ int signals = -1;

	cli->failure = EXIT_BANGER;
	if (cli_connect(cli, &client, err) < 0 || signals_open(&signals, err) < 0)
		return -1;
	a->signals = signals;
	return attach_run(cli, client, a, err);
}

int cmd_vm_exec(struct cli *cli, const struct args_vm_exec *args, struct err *err)
{
	struct attach a = {
		.vm = args->vm,
		.argv = &args->command,
		.process = &args->process,
		.tty = args->terminal.tty,
		.no_stdin = args->terminal.no_stdin,
	};

	if (args->terminal.interactive && args->terminal.no_stdin)
		return cli_refuse(cli, err, "--interactive and --no-stdin contradict each other");
	return attach_to(cli, &a, err);
}

int cmd_vm_shell(struct cli *cli, const struct args_vm_shell *args, struct err *err)
{
	static const struct words login_shell;
	struct attach a = {
		.vm = args->vm,
		.argv = &login_shell,
		.process = &args->process,
		.tty = isatty(STDIN_FILENO),
	};

	return attach_to(cli, &a, err);
}
