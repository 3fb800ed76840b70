/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/lists.h"

#include <json-c/json.h>

#include "banger-cli/object.h"
#include "banger-cli/output.h"

int list_show(
	struct cli *cli, const struct listing *l, const struct args_list *args, struct err *err)
{
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	_cleanup_table_ struct table t;
	struct json_object *list;

	table_init(&t, l->titles, l->n_titles);
	if (args->quiet && args->format == format_json)
		return cli_refuse(cli, err, "--quiet prints ids, --output json all: choose one");
	if (cli_call(cli, l->method, NULL, &reply, err) < 0)
		return -1;
	list = object_array(reply.result, l->member);
	if (args->format == format_json)
		return output_json(list, err);
	if (args->quiet)
		return output_ids(list, "id", err);
	for (size_t i = 0; i < object_array_size(list); i++)
		l->row(&t, json_object_array_get_idx(list, i));
	return table_print(&t, err);
}

int catalog_show(struct cli *cli, const struct listing *l, enum format format, struct err *err)
{
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	_cleanup_table_ struct table t;
	struct json_object *list, *problems;

	table_init(&t, l->titles, l->n_titles);
	if (cli_call(cli, l->method, NULL, &reply, err) < 0)
		return -1;
	problems = object_array(reply.result, "problems");
	for (size_t i = 0; i < object_array_size(problems); i++) {
		const char *s = json_object_get_string(json_object_array_get_idx(problems, i));

		cli_say("%s", s ? s : "");
	}
	list = object_array(reply.result, l->member);
	if (format == format_json)
		return output_json(list, err);
	for (size_t i = 0; i < object_array_size(list); i++)
		l->row(&t, json_object_array_get_idx(list, i));
	return table_print(&t, err);
}

int object_show(struct cli *cli, enum rpc_method method, const char *name, const char *reference,
	enum format format, struct err *err)
{
	_cleanup_client_ struct client *client = NULL;
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	struct json_object *object;

	if (cli_connect(cli, &client, err) < 0 ||
		client_ask(client, method, name, reference, &reply, err) < 0)
		return -1;
	object = object_child(reply.result, name);
	if (!object)
		return err_set(err, ERR_protocol, "the daemon answered without '%s'", name);
	return format == format_json ? output_json(object, err) : output_members(object, err);
}
