/* SPDX-License-Identifier: GPL-2.0-or-later */
/* banger vm list, show, health. */
#include <stdio.h>

#include "banger-cli/lists.h"
#include "banger-cli/object.h"
#include "banger-cli/output.h"
#include "common/str.h"

static const char *const titles[] = { "ID", "NAME", "OWNER", "STATE", "IMAGE", "IP", "VCPU",
	"MEMORY", "VMM", "CREATED" };

static void row(struct table *t, struct json_object *o)
{
	int64_t memory = object_number(o, "memory_mib", -1);
	char when[64];

	table_cell(t, object_text(o, "id"));
	table_cell(t, object_text(o, "name"));
	table_cell(t, object_text(o, "owner"));
	table_cell(t, object_text(o, "state"));
	table_cell(t, object_text(o, "image"));
	table_cell(t, object_text(o, "ip"));
	table_number(t, object_number(o, "vcpu", -1));
	table_size(t, memory < 0 || memory > 1 << 30 ? -1 : memory * 1024 * 1024);
	table_cell(t, object_text(o, "vmm"));
	table_cell(t, output_time(o, "created_at", when));
}

int cmd_vm_list(struct cli *cli, const struct args_vm_list *args, struct err *err)
{
	static const struct listing l = { RPC_METHOD_vm_list, "vms", titles, ARRAY_SIZE(titles),
		row };

	return list_show(cli, &l, &args->list, err);
}

int cmd_vm_show(struct cli *cli, const struct args_vm_show *args, struct err *err)
{
	return object_show(cli, RPC_METHOD_vm_show, "vm", args->vm, args->output.format, err);
}

int cmd_vm_health(struct cli *cli, const struct args_vm_health *args, struct err *err)
{
	_cleanup_client_ struct client *client = NULL;
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	int r;

	if (cli_connect(cli, &client, err) < 0 ||
		client_ask(client, RPC_METHOD_vm_health, "vm", args->vm, &reply, err) < 0)
		return -1;
	r = args->output.format == format_json ? output_json(reply.result, err)
					       : output_members(reply.result, err);
	if (r < 0)
		return -1;
	return object_flag(reply.result, "healthy") ? 0 : EXIT_ERROR;
}
