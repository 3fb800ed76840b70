/* SPDX-License-Identifier: GPL-2.0-or-later */
/* banger vm run, create. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "banger-cli/attach.h"
#include "banger-cli/create.h"
#include "banger-cli/output.h"
#include "banger-cli/pull.h"
#include "banger-cli/pull_kernel.h"
#include "banger-cli/signals.h"
#include "common/fd.h"
#include "common/str.h"

/* Contradictions, before anything exists. */
static int check_run(struct cli *cli, const struct args_vm_run *a, struct err *err)
{
	if (a->detach && a->remove)
		return cli_refuse(cli, err,
			"--detach and --rm contradict each other: nobody would be there to delete "
			"the VM");
	if (a->detach && a->command.n > 0)
		return cli_refuse(cli, err,
			"--detach runs the image's own command; 'banger vm create -- COMMAND' "
			"makes a VM that runs another");
	if (a->detach && (a->terminal.tty || a->terminal.interactive))
		return cli_refuse(cli, err,
			"--detach leaves no terminal to attach: leave out --tty and --interactive");
	if (a->made.format == format_json && (!a->detach || a->dry_run))
		return cli_refuse(cli, err,
			"--output json is about a VM that was made: it needs --detach, and no "
			"--dry-run");
	if (a->terminal.interactive && a->terminal.no_stdin)
		return cli_refuse(cli, err, "--interactive and --no-stdin contradict each other");
	return create_check(cli, &a->machine, err);
}

static int say_plan(struct client *c, const struct plan *plan, struct err *err)
{
	char line[ERR_MSG_MAX];

	if (plan->quiet)
		return 0;
	if (create_describe(c, plan, line, sizeof(line), err) < 0)
		return -1;
	cli_say("%s", line);
	return 0;
}

static struct pull_ask pull_of(const struct args_machine *machine, bool quiet)
{
	return (struct pull_ask){ .reference = machine->image,
		.policy = machine->pull == pull_not_given ? pull_policy_missing
							  : (enum pull_policy)(machine->pull - 1),
		.quiet = quiet };
}

/* What would be made, once the daemon has shown that it has the kernel, and the image or where to
 * ask for it. */
static int dry_run(struct client *c, const struct plan *plan, struct err *err)
{
	const struct pull_ask ask = pull_of(plan->machine, plan->quiet);
	char line[ERR_MSG_MAX], pull[ERR_MSG_MAX], kernel[ERR_MSG_MAX];

	if (pull_would(c, &ask, pull, sizeof(pull), err) < 0 ||
		pull_kernel_would(c, plan->machine->kernel, ask.policy != pull_policy_never, kernel,
			sizeof(kernel), err) < 0)
		return -1;
	if (create_describe(c, plan, line, sizeof(line), err) < 0 || output_id(line, err) < 0 ||
		(pull[0] && output_id(pull, err) < 0))
		return -1;
	return kernel[0] ? output_id(kernel, err) : 0;
}

/* The end of `vm run`: with --rm the VM goes, whatever the session came to. The image's own command
 * is told first, if there is one: a guest that does not answer, or a second signal, is no reason to
 * keep the VM. */
static int finish_run(struct cli *cli, struct client *c, const struct args_vm_run *a,
	const struct created *vm, bool own_command, int signals, int status, struct err *err)
{
	struct err failure = ERR_INIT, unstopped = ERR_INIT;
	_cleanup_client_ struct client *again = NULL;

	if (!a->remove) {
		if (!a->quiet)
			cli_say("VM %s goes on running: 'banger vm shell %s', 'banger vm delete -f "
				"%s'",
				vm->name, vm->name, vm->name);
		return status;
	}
	if (own_command)
		(void)create_stop(c, vm->id, signals, &unstopped);
	if (create_remove(c, vm->id, signals, &failure) == 0)
		return status;
	/* A daemon that was restarted meanwhile has lost the connection, not the VM. */
	if (failure.code == ERR_unavailable && cli_connect(cli, &again, &failure) == 0 &&
		create_remove(again, vm->id, signals, &failure) == 0)
		return status;
	if (status < 0)
		cli_say("%s", err->msg);
	*err = failure;
	return -1;
}

static int run_attached(struct cli *cli, struct client *c, const struct args_vm_run *a,
	const struct plan *plan, const struct words *argv, struct err *err)
{
	_cleanup_fd_ int signals = -1;
	struct attach attach = { .argv = argv };
	struct created vm;
	int status;

	if (say_plan(c, plan, err) < 0 || signals_open(&signals, err) < 0 ||
		create_vm(cli, c, plan, signals, &vm, err) < 0)
		return -1;
	attach.vm = vm.id;
	attach.signals = signals;
	attach.tty = argv->n > 0 ? a->terminal.tty : a->terminal.tty || isatty(STDIN_FILENO);
	attach.no_stdin = a->terminal.no_stdin;
	status = attach_run(cli, c, &attach, err);
	return finish_run(cli, c, a, &vm, argv->n == 0, signals, status, err);
}

static int print_made(struct client *c, const char *id, enum format format, struct err *err)
{
	_cleanup_reply_ struct reply reply = REPLY_INIT;

	if (format != format_json)
		return output_id(id, err);
	if (client_ask(c, RPC_METHOD_vm_show, "vm", id, &reply, err) < 0)
		return -1;
	return output_made(reply.result, "vm", format, err);
}

static int run_detached(struct cli *cli, struct client *c, const struct plan *plan,
	enum format format, struct err *err)
{
	_cleanup_fd_ int signals = -1;
	struct created vm;

	if (say_plan(c, plan, err) < 0 || signals_open(&signals, err) < 0 ||
		create_vm(cli, c, plan, signals, &vm, err) < 0)
		return -1;
	if (print_made(c, vm.id, format, err) < 0)
		return -1;
	if (plan->no_start || !create_has_failed_command(c, vm.id))
		return 0;
	cli_say("VM %s runs, but its command could not be started: 'banger vm logs %s' says why",
		vm.name, vm.name);
	return EXIT_ERROR;
}

/* What a VM is to be made of: the names of image and kernel, and the image's file, if it is one. */
struct parts {
	char image[REF_NAME_MAX + 1], kernel[REF_NAME_MAX + 1];
	int file;
};

static void parts_finish(struct parts *p)
{
	fd_closep(&p->file);
}

/* Image and kernel are here, or come here; *machine and *plan name them then, by *parts. */
static int get_parts(struct cli *cli, struct client *c, struct args_machine *machine,
	struct plan *plan, struct parts *parts, struct err *err)
{
	const struct pull_ask ask = pull_of(machine, plan->quiet);

	if (pull_for_vm(cli, c, &ask, parts->image, sizeof(parts->image), err) < 0)
		return -1;
	machine->image = parts->image;
	if (pull_kernel_for_vm(cli, c, machine->kernel, ask.policy != pull_policy_never,
		    plan->quiet, parts->kernel, sizeof(parts->kernel), err) < 0)
		return -1;
	if (*parts->kernel)
		machine->kernel = parts->kernel;
	if (create_open_image(c, machine->image, &parts->file, err) < 0)
		return -1;
	plan->image_file = parts->file;
	return 0;
}

int cmd_vm_run(struct cli *cli, const struct args_vm_run *args, struct err *err)
{
	_cleanup_client_ struct client *client = NULL;
	_cleanup_reply_ struct reply image = REPLY_INIT;
	const bool has_command = args->command.n > 0 || args->entrypoint;
	struct args_machine machine = args->machine;
	_cleanup_(parts_finish) struct parts parts = { .file = -1 };
	struct words argv = { 0 };
	/* With a command, the VM is but the place for it. */
	struct plan plan = {
		.machine = &machine,
		.process = &args->process,
		.mode = args->detach && args->entrypoint ? guest_mode_command
			: has_command			 ? guest_mode_idle
							 : guest_mode_auto,
		.auto_remove = args->remove,
		.quiet = args->quiet,
	};
	int status;

	if (!args->detach && !args->dry_run)
		cli->failure = EXIT_BANGER;
	if (check_run(cli, args, err) < 0 || cli_connect(cli, &client, err) < 0)
		return -1;
	if (args->dry_run)
		return dry_run(client, &plan, err);
	if (get_parts(cli, client, &machine, &plan, &parts, err) < 0)
		return -1;
	if (has_command && create_argv(client, machine.image, args->entrypoint, &args->command,
				   &argv, &image, err) < 0)
		return -1;
	if (args->detach) {
		plan.argv = argv.items;
		plan.n_argv = argv.n;
		status = run_detached(cli, client, &plan, args->made.format, err);
	} else {
		status = run_attached(cli, client, args, &plan, &argv, err);
	}
	free(argv.items);
	return status;
}

int cmd_vm_create(struct cli *cli, const struct args_vm_create *args, struct err *err)
{
	_cleanup_client_ struct client *client = NULL;
	_cleanup_reply_ struct reply image = REPLY_INIT;
	struct args_machine machine = args->machine;
	_cleanup_(parts_finish) struct parts parts = { .file = -1 };
	struct words argv = { 0 };
	struct plan plan = {
		.machine = &machine,
		.process = &args->process,
		.mode = args->command.n > 0 || args->entrypoint ? guest_mode_command
								: guest_mode_auto,
		.no_start = args->no_start,
		.quiet = args->quiet,
	};
	int status;

	if (create_check(cli, &args->machine, err) < 0 || cli_connect(cli, &client, err) < 0 ||
		get_parts(cli, client, &machine, &plan, &parts, err) < 0)
		return -1;
	if ((args->command.n > 0 || args->entrypoint) &&
		create_argv(client, machine.image, args->entrypoint, &args->command, &argv, &image,
			err) < 0)
		return -1;
	plan.argv = argv.items;
	plan.n_argv = argv.n;
	status = run_detached(cli, client, &plan, args->made.format, err);
	free(argv.items);
	return status;
}
