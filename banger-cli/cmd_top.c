/* SPDX-License-Identifier: GPL-2.0-or-later */
/* banger version, help, completion. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>

#include "banger-cli/cli.h"
#include "banger-cli/complete.h"
#include "banger-cli/help.h"
#include "banger-cli/output.h"

int cmd_version(struct cli *cli, const struct args_version *args, struct err *err)
{
	struct json_object *o;
	int r;

	if (!args || args->output.format != format_json) {
		printf("banger %s\n", BANGER_VERSION);
		return 0;
	}
	o = json_object_new_object();
	if (!o || json_object_object_add(o, "version", json_object_new_string(BANGER_VERSION)) < 0)
		r = err_sys(err, ERR_operation_failed, ENOMEM, "cannot show the version");
	else
		r = output_json(o, err);
	json_object_put(o);
	return r;
}

int cmd_help(struct cli *cli, const struct args_help *args, struct err *err)
{
	const char *const *words = args->topic.items;
	size_t n = args->topic.n;
	const struct command *c = NULL;
	enum group_id group = GROUP_top;

	if (n == 0) {
		help_all(stdout);
		return 0;
	}
	if (n <= 2 && group_find(words[0], &group)) {
		if (n == 1) {
			help_group(stdout, group);
			return 0;
		}
		c = command_find(group, words[1]);
	} else if (n == 1) {
		c = command_find(GROUP_top, words[0]);
	}
	if (!c)
		return cli_refuse(cli, err, "there is no group or command '%s%s%s'", words[0],
			n > 1 ? " " : "", n > 1 ? words[1] : "");
	help_command(stdout, c);
	return 0;
}

int cmd_completion(struct cli *cli, const struct args_completion *args, struct err *err)
{
	fputs(complete_script(args->shell), stdout);
	return 0;
}
