/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/cli.h"

#include <json-c/json_object.h>
#include <stdarg.h>
#include <stdio.h>

#include "banger-cli/client.h"
#include "banger-cli/params.h"
#include "banger-cli/text.h"

int cli_connect(const struct cli *cli, struct client **ret, struct err *err)
{
	return client_open(cli->socket, ret, err);
}

int cli_call(const struct cli *cli, enum rpc_method method, struct params *p, struct reply *ret,
	struct err *err)
{
	_cleanup_client_ struct client *client = NULL;
	struct json_object *o = p ? params_finish(p, err) : NULL;

	if (p && !o)
		return -1;
	if (cli_connect(cli, &client, err) < 0) {
		json_object_put(o);
		return -1;
	}
	return client_call(client, method, o, ret, err);
}

int cli_refuse(struct cli *cli, struct err *err, const char *fmt, ...)
{
	char msg[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	cli->failure = EXIT_USAGE;
	cli->usage = true;
	return err_set(err, ERR_bad_request, "%s", msg);
}

void cli_say(const char *fmt, ...)
{
	char msg[2 * ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	text_clean_in_place(msg);
	fprintf(stderr, "banger: %s\n", msg);
}
