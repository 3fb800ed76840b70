/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/attach.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banger-cli/ending.h"
#include "banger-cli/news.h"
#include "banger-cli/params.h"
#include "banger-cli/session.h"
#include "banger-cli/tty.h"
#include "common/fd.h"
#include "common/str.h"

static bool sets(const struct words *env, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < env->n; i++)
		if (strncmp(env->items[i], name, n) == 0 &&
			(env->items[i][n] == '=' || env->items[i][n] == '\0'))
			return true;
	return false;
}

/* Programs in the guest have to know what terminal they draw on. */
static void params_term(struct params *p, const struct args_process *process)
{
	const char *term = getenv("TERM");
	char whole[80];

	if (term && str_printable(term, false) && !(process && sets(&process->env, "TERM")) &&
		str_format(whole, sizeof(whole), "TERM=%s", term))
		params_word(p, "env", whole);
}

static struct json_object *exec_params(const struct attach *a, struct err *err)
{
	uint16_t rows, columns;
	struct params p;

	params_init(&p);
	params_text(&p, "vm", a->vm);
	params_words(&p, "argv", a->argv->items, a->argv->n);
	if (a->process) {
		params_env(&p, "env", &a->process->env);
		params_text(&p, "user", a->process->user);
		params_text(&p, "directory", a->process->directory);
	}
	if (a->tty) {
		tty_size(&rows, &columns);
		params_flag(&p, "tty", true);
		params_number(&p, "rows", rows);
		params_number(&p, "columns", columns);
		params_term(&p, a->process);
	}
	return params_finish(&p, err);
}

int attach_run(struct cli *cli, struct client *c, const struct attach *a, struct err *err)
{
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	struct ending ending = { cli, " before the command began" };
	struct watch watch = ending_watch(&ending, a->signals);
	struct client_wait wait = { .watches = &watch, .n_watches = 1 };
	struct json_object *params = exec_params(a, err);
	struct session session;
	struct news news;
	int status;
	uint64_t request;
	int signo;

	if (!params ||
		client_send(c, RPC_METHOD_vm_exec, params, NULL, 0, false, &request, err) < 0)
		return -1;
	if (client_wait(c, request, &wait, &reply, err) < 0) {
		if (err->code == ERR_no_command)
			cli->failure = EXIT_NOT_FOUND;
		else if (err->code == ERR_not_executable)
			cli->failure = EXIT_NOT_EXECUTABLE;
		return -1;
	}
	if (reply.fd < 0)
		return err_set(err, ERR_protocol, "the daemon gave no stream for the command");
	news_begin(&news, cli, c, a->vm);
	session = (struct session){ .stream = reply.fd,
		.signals = a->signals,
		.tty = a->tty,
		.no_stdin = a->no_stdin,
		.news = &news };
	status = session_run(&session, &signo, err);
	news_end(&news);
	return status;
}
