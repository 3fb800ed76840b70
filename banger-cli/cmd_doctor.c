/* SPDX-License-Identifier: GPL-2.0-or-later */
/* banger doctor. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>

#include "banger-cli/cli.h"
#include "banger-cli/client.h"
#include "banger-cli/doctor.h"
#include "banger-cli/object.h"
#include "banger-cli/output.h"
#include "banger-cli/text.h"
#include "banger-cli/tty.h"

/* What only the daemon knows. */
#define UNKNOWN_FIX "start the daemon"

enum ask { ASK_status, ASK_examine, ASK_images, ASK_kernels, ASK_catalog, ASK_vms, ASK__count };

static const enum rpc_method methods[ASK__count] = {
	[ASK_status] = RPC_METHOD_daemon_status,
	[ASK_examine] = RPC_METHOD_daemon_examine,
	[ASK_images] = RPC_METHOD_image_list,
	[ASK_kernels] = RPC_METHOD_kernel_list,
	[ASK_catalog] = RPC_METHOD_kernel_catalog,
	[ASK_vms] = RPC_METHOD_vm_list,
};

static void replies_finish(struct reply (*replies)[ASK__count])
{
	for (size_t i = 0; i < ASK__count; i++)
		reply_finish(&(*replies)[i]);
}

/* Ask for all; what is not answered stays NULL, and the first reason is kept. */
static void ask(struct cli *cli, struct reply replies[ASK__count], struct err *why)
{
	_cleanup_client_ struct client *client = NULL;

	if (cli_connect(cli, &client, why) < 0)
		return;
	for (size_t i = 0; i < ASK__count; i++) {
		struct err err = ERR_INIT;

		if (client_call(client, methods[i], NULL, &replies[i], &err) == 0)
			continue;
		if (why->code == ERR_none)
			*why = err;
		if (err.code == ERR_unavailable) /* it is gone */
			return;
	}
}

static void print_finding(const struct check *c, const struct finding *f, const char *shown)
{
	static const char *const colours[] = { "\033[32m", "\033[33m", "\033[31m" };
	bool colour = tty_colours(stdout);

	printf("%s%s%s  %-12s %s\n", colour ? colours[f->health] : "", health_name(f->health),
		colour ? "\033[0m" : "", c->name, shown);
	if (f->health != HEALTH_pass)
		printf("      %-12s -> %s\n", "", f->unknown ? UNKNOWN_FIX : c->fix);
}

static int add_text(struct json_object *o, const char *name, const char *shown)
{
	struct json_object *s = json_object_new_string(shown);

	if (s && json_object_object_add(o, name, s) == 0)
		return 0;
	json_object_put(s);
	return -1;
}

static int add_finding(
	struct json_object *list, const struct check *c, const struct finding *f, const char *shown)
{
	struct json_object *o = json_object_new_object();

	if (o && add_text(o, "check", c->name) == 0 &&
		add_text(o, "health", health_name(f->health)) == 0 &&
		add_text(o, "what", c->what) == 0 && add_text(o, "found", shown) == 0 &&
		(f->health == HEALTH_pass ||
			add_text(o, "fix", f->unknown ? UNKNOWN_FIX : c->fix) == 0) &&
		json_object_array_add(list, o) == 0)
		return 0;
	json_object_put(o);
	return -1;
}

int cmd_doctor(struct cli *cli, const struct args_doctor *args, struct err *err)
{
	__attribute__((cleanup(replies_finish))) struct reply replies[ASK__count] = { REPLY_INIT,
		REPLY_INIT, REPLY_INIT, REPLY_INIT, REPLY_INIT };
	struct json_object *list =
		args->output.format == format_json ? json_object_new_array() : NULL;
	struct doctor d = { .socket = cli->socket, .no_daemon = ERR_INIT };
	unsigned n[3] = { 0 };
	int r = 0;

	ask(cli, replies, &d.no_daemon);
	d.status = replies[ASK_status].result;
	d.host = object_child(d.status, "host");
	d.examined = replies[ASK_examine].result;
	d.images = object_array(replies[ASK_images].result, "images");
	d.kernels = object_array(replies[ASK_kernels].result, "kernels");
	d.problems = object_array(replies[ASK_catalog].result, "problems");
	d.vms = object_array(replies[ASK_vms].result, "vms");
	for (size_t i = 0; i < CHECK__count && r == 0; i++) {
		struct finding f = { 0 };

		checks[i].look(&d, &f);
		n[f.health]++;
		text_clean_in_place(f.text);
		if (args->output.format == format_json)
			r = list ? add_finding(list, &checks[i], &f, f.text) : -1;
		else
			print_finding(&checks[i], &f, f.text);
	}
	if (r < 0)
		err_sys(err, ERR_operation_failed, ENOMEM, "cannot show what was found");
	else if (list)
		r = output_json(list, err);
	else
		printf("\n%u passed, %u warned, %u failed\n", n[HEALTH_pass], n[HEALTH_warn],
			n[HEALTH_fail]);
	json_object_put(list);
	return r < 0 ? -1 : n[HEALTH_fail] > 0 ? EXIT_ERROR : 0;
}
