/* SPDX-License-Identifier: GPL-2.0-or-later */
/* banger vm start, stop, restart, pause, resume, set, kill, delete: each on many VMs at once. */
#include "banger-cli/bulk.h"
#include "banger-cli/params.h"

static int on_vms(struct cli *cli, enum rpc_method method, const struct words *vms,
	enum format format, void (*more)(struct params *, const void *), const void *args,
	struct err *err)
{
	struct bulk b = {
		.list = RPC_METHOD_vm_list,
		.list_member = "vms",
		.kind = "VM",
		.method = method,
		.name = "vm",
		.more = more,
		.args = args,
	};

	return bulk_run(cli, &b, vms, format, err);
}

int cmd_vm_start(struct cli *cli, const struct args_vm_start *args, struct err *err)
{
	return on_vms(cli, RPC_METHOD_vm_start, &args->vms, args->each.format, NULL, NULL, err);
}

static void stop_params(struct params *p, const void *a)
{
	const struct args_vm_stop *args = a;

	params_seconds(p, "timeout_s", args->timeout);
}

int cmd_vm_stop(struct cli *cli, const struct args_vm_stop *args, struct err *err)
{
	return on_vms(
		cli, RPC_METHOD_vm_stop, &args->vms, args->each.format, stop_params, args, err);
}

static void restart_params(struct params *p, const void *a)
{
	const struct args_vm_restart *args = a;

	params_seconds(p, "timeout_s", args->timeout);
}

int cmd_vm_restart(struct cli *cli, const struct args_vm_restart *args, struct err *err)
{
	return on_vms(cli, RPC_METHOD_vm_restart, &args->vms, args->each.format, restart_params,
		args, err);
}

int cmd_vm_pause(struct cli *cli, const struct args_vm_pause *args, struct err *err)
{
	return on_vms(cli, RPC_METHOD_vm_pause, &args->vms, args->each.format, NULL, NULL, err);
}

int cmd_vm_resume(struct cli *cli, const struct args_vm_resume *args, struct err *err)
{
	return on_vms(cli, RPC_METHOD_vm_resume, &args->vms, args->each.format, NULL, NULL, err);
}

static void set_params(struct params *p, const void *a)
{
	const struct args_vm_set *args = a;

	params_number(p, "vcpus", args->vcpus);
	params_number(p, "memory_mib", args->memory);
	params_number(p, "disk_size", args->disk_size);
	params_number(p, "system_overlay_size", args->system_overlay_size);
	params_flag(p, "nat", args->nat);
	params_flag(p, "no_nat", args->no_nat);
	params_text(p, "image", args->image);
	params_text(p, "kernel", args->kernel);
}

int cmd_vm_set(struct cli *cli, const struct args_vm_set *args, struct err *err)
{
	if (args->nat && args->no_nat)
		return cli_refuse(cli, err, "--nat and --no-nat contradict each other");
	if (!args->vcpus && !args->memory && !args->disk_size && !args->system_overlay_size &&
		!args->nat && !args->no_nat && !args->image && !args->kernel)
		return cli_refuse(cli, err,
			"what is to change? An option is missing, such as --memory or --nat");
	return on_vms(cli, RPC_METHOD_vm_set, &args->vms, args->each.format, set_params, args, err);
}

static void kill_params(struct params *p, const void *a)
{
	const struct args_vm_kill *args = a;

	params_number(p, "signal", args->signal);
}

int cmd_vm_kill(struct cli *cli, const struct args_vm_kill *args, struct err *err)
{
	return on_vms(
		cli, RPC_METHOD_vm_kill, &args->vms, args->each.format, kill_params, args, err);
}

static void delete_params(struct params *p, const void *a)
{
	const struct args_vm_delete *args = a;

	params_flag(p, "force", args->force);
}

int cmd_vm_delete(struct cli *cli, const struct args_vm_delete *args, struct err *err)
{
	return on_vms(
		cli, RPC_METHOD_vm_delete, &args->vms, args->each.format, delete_params, args, err);
}
