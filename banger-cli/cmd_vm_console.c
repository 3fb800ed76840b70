/* SPDX-License-Identifier: GPL-2.0-or-later */
/* banger vm console, logs. */
#include <json-c/json.h>
#include <stdio.h>
#include <unistd.h>

#include "banger-cli/cli.h"
#include "banger-cli/client.h"
#include "banger-cli/news.h"
#include "banger-cli/params.h"
#include "banger-cli/relay.h"
#include "banger-cli/signals.h"
#include "common/fd.h"

/* r->news: of the VM `vm`, begun and ended here; or NULL. */
static int relay(struct cli *cli, enum rpc_method method, struct params *p, const char *vm,
	struct relay *r, struct err *err)
{
	_cleanup_client_ struct client *client = NULL;
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	_cleanup_fd_ int signals = -1;
	struct json_object *params = params_finish(p, err);
	int status;

	if (!params)
		return -1;
	if (cli_connect(cli, &client, err) < 0) {
		json_object_put(params);
		return -1;
	}
	if (client_call(client, method, params, &reply, err) < 0 || signals_open(&signals, err) < 0)
		return -1;
	if (reply.fd < 0)
		return err_set(err, ERR_protocol, "the daemon gave no stream");
	if (r->input && isatty(STDIN_FILENO))
		cli_say("attached to the console; Ctrl-] detaches");
	if (r->news)
		news_begin(r->news, cli, client, vm);
	r->stream = reply.fd;
	r->signals = signals;
	status = relay_run(r, err);
	if (r->news)
		news_end(r->news);
	return status;
}

int cmd_vm_console(struct cli *cli, const struct args_vm_console *args, struct err *err)
{
	struct news news;
	struct relay r = { .input = true, .news = &news };
	struct params p;

	params_init(&p);
	params_text(&p, "vm", args->vm);
	return relay(cli, RPC_METHOD_vm_console, &p, args->vm, &r, err);
}

int cmd_vm_logs(struct cli *cli, const struct args_vm_logs *args, struct err *err)
{
	struct relay r = { .filter = isatty(STDOUT_FILENO) };
	struct params p;

	params_init(&p);
	params_text(&p, "vm", args->vm);
	params_flag(&p, "follow", args->follow);
	return relay(cli, RPC_METHOD_vm_logs, &p, args->vm, &r, err);
}
