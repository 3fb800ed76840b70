/* SPDX-License-Identifier: GPL-2.0-or-later */
/* banger kernel import, pull, catalog, list, show, delete. */
#include <stdio.h>

#include "banger-cli/bulk.h"
#include "banger-cli/host_kernel.h"
#include "banger-cli/import.h"
#include "banger-cli/lists.h"
#include "banger-cli/object.h"
#include "banger-cli/output.h"
#include "banger-cli/pull_kernel.h"
#include "banger-cli/text.h"
#include "common/json.h"
#include "common/str.h"

static const char *const titles[] = { "ID", "NAME", "OWNER", "VERSION", "ARCH", "SIZE", "CREATED" };

static void row(struct table *t, struct json_object *o)
{
	char when[64];

	table_cell(t, object_text(o, "id"));
	table_cell(t, object_text(o, "name"));
	table_cell(t, object_text(o, "owner"));
	table_cell(t, object_text(o, "version"));
	table_cell(t, object_text(o, "arch"));
	table_size(t, object_number(o, "size_bytes", -1));
	table_cell(t, output_time(o, "created_at", when));
}

int cmd_kernel_list(struct cli *cli, const struct args_kernel_list *args, struct err *err)
{
	static const struct listing l = { RPC_METHOD_kernel_list, "kernels", titles,
		ARRAY_SIZE(titles), row };

	return list_show(cli, &l, &args->list, err);
}

int cmd_kernel_show(struct cli *cli, const struct args_kernel_show *args, struct err *err)
{
	return object_show(
		cli, RPC_METHOD_kernel_show, "kernel", args->kernel, args->output.format, err);
}

int cmd_kernel_delete(struct cli *cli, const struct args_kernel_delete *args, struct err *err)
{
	struct bulk b = {
		.list = RPC_METHOD_kernel_list,
		.list_member = "kernels",
		.kind = "kernel",
		.method = RPC_METHOD_kernel_delete,
		.name = "kernel",
	};

	return bulk_run(cli, &b, &args->kernels, args->each.format, err);
}

static void entry(struct table *t, struct json_object *o)
{
	char beginning[20]; /* of its digest */
	bool preferred = false;

	(void)json_get_bool(o, "preferred", &preferred);
	table_cell(t, object_text(o, "name"));
	table_cell(t, object_text(o, "present"));
	table_cell(t, preferred ? "yes" : "");
	table_size(t, object_number(o, "size_bytes", -1));
	snprintf(beginning, sizeof(beginning), "%s", object_text(o, "digest"));
	table_cell(t, beginning);
	table_cell(t, object_text(o, "url"));
	table_cell(t, object_text(o, "description"));
}

int cmd_kernel_catalog(struct cli *cli, const struct args_kernel_catalog *args, struct err *err)
{
	static const char *const names[] = { "NAME", "HERE", "PREFERRED", "SIZE", "DIGEST", "URL",
		"DESCRIPTION" };
	static const struct listing l = { RPC_METHOD_kernel_catalog, "kernels", names,
		ARRAY_SIZE(names), entry };

	return catalog_show(cli, &l, args->output.format, err);
}

int cmd_kernel_pull(struct cli *cli, const struct args_kernel_pull *args, struct err *err)
{
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	struct json_object *kernel;
	bool pulled = false;
	struct params p;

	params_init(&p);
	params_text(&p, "kernel", args->kernel);
	params_text(&p, "name", args->name);
	params_flag(&p, "replace", args->replace);
	if (import_run(cli, RPC_METHOD_kernel_pull, &p, NULL, 0, args->quiet, &reply, err) < 0)
		return -1;
	kernel = object_child(reply.result, "kernel");
	(void)json_get_bool(reply.result, "pulled", &pulled);
	if (kernel && !args->quiet)
		cli_say("kernel %s: %s%s", object_text(kernel, "name"),
			object_text(kernel, "version"), pulled ? "" : ", was here already");
	return output_made(reply.result, "kernel", args->made.format, err);
}

/* The kernel and, unless it brings its own or needs none, its modules. */
static int open_offers(const struct host_kernel *host, struct offer offers[2], struct err *err)
{
	if (offer_file(host->kernel, &offers[0], err) < 0)
		return -1;
	return *host->modules ? offer_directory(host->modules, &offers[1], err) : 0;
}

int cmd_kernel_import(struct cli *cli, const struct args_kernel_import *args, struct err *err)
{
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	struct offer offers[2] = { OFFER_INIT, OFFER_INIT };
	struct host_kernel host;
	struct params p;
	int r;

	if (host_kernel_choose("", args->kernel, args->modules, &host, err) < 0)
		return -1;
	if (!args->quiet)
		cli_say("kernel %s%s%s", host.kernel, *host.modules ? ", modules " : "",
			host.modules);
	r = open_offers(&host, offers, err);
	if (r == 0) {
		params_init(&p);
		params_text(&p, "name", args->name);
		params_flag(&p, "replace", args->replace);
		r = import_run(
			cli, RPC_METHOD_kernel_import, &p, offers, 2, args->quiet, &reply, err);
		if (r < 0)
			r = import_failed(host.kernel, err);
	}
	offer_finish(&offers[0]);
	offer_finish(&offers[1]);
	if (r < 0)
		return -1;
	return output_made(reply.result, "kernel", args->made.format, err);
}
