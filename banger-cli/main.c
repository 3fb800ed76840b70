/* SPDX-License-Identifier: GPL-2.0-or-later */
/* banger: find the command, run it, say what went wrong. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "banger-cli/args.h"
#include "banger-cli/cli.h"
#include "banger-cli/complete.h"
#include "banger-cli/help.h"

#define SOCKET_DEFAULT "/run/banger/bangerd.sock"

typedef int (*command_run)(struct cli *cli, const void *args, struct err *err);

#define COMMAND(ident, group, verb, aliases, doc)                                  \
	static int run_##ident(struct cli *cli, const void *args, struct err *err) \
	{                                                                          \
		return cmd_##ident(cli, args, err);                                \
	}
#include "banger-cli/commands.tbl.h"

static const command_run runs[COMMAND__count] = {
#define COMMAND(ident, group, verb, aliases, doc) run_##ident,
#include "banger-cli/commands.tbl.h"
};

static void say_where_help_is(const struct parsed *p)
{
	fputs("See 'banger", stderr);
	if (p->in_group && *groups[p->group].name)
		fprintf(stderr, " %s", groups[p->group].name);
	if (p->command)
		fprintf(stderr, " %s", p->command->verb);
	fputs(" --help'.\n", stderr);
}

static void show_help(FILE *out, const struct parsed *p)
{
	if (p->command)
		help_command(out, p->command);
	else if (p->in_group)
		help_group(out, p->group);
	else
		help_all(out);
}

static int run(const struct parsed *p)
{
	const char *from_env = getenv("BANGER_SOCKET");
	struct cli cli = { .failure = EXIT_ERROR };
	struct err err = ERR_INIT;
	int status;

	cli.socket = p->global.socket;
	if (!cli.socket)
		cli.socket = from_env && *from_env ? from_env : SOCKET_DEFAULT;
	status = runs[p->command->id](&cli, p->args, &err);
	if (status >= 0)
		return status;
	cli_say("%s", err.msg);
	if (cli.usage)
		say_where_help_is(p);
	return cli.failure;
}

/* Whatever was printed has to have arrived, or the status would lie. */
static int finish_output(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	if (errno == EPIPE)
		return status;
	cli_say("cannot write to standard output: %s", strerror(errno));
	return status == 0 ? EXIT_ERROR : status;
}

/* 0, 1 and 2 are open from here on, so that no socket of ours takes their place. */
static void fill_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR); /* inherited: standard fds are */
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
}

int main(int argc, char **argv)
{
	struct parsed parsed;
	struct err err = ERR_INIT;
	int status = EXIT_USAGE;

	fill_standard_fds();
	if (argc > 1 && strcmp(argv[1], "__complete") == 0)
		return finish_output(complete(argc - 2, argv + 2, false));
	if (argc > 1 && strcmp(argv[1], "__describe") == 0)
		return finish_output(complete(argc - 2, argv + 2, true));
	if (args_parse(argc, argv, &parsed, &err) < 0) {
		cli_say("%s", err.msg);
		say_where_help_is(&parsed);
	} else if (parsed.global.version) {
		status = cmd_version(NULL, NULL, NULL);
	} else if (parsed.global.help) {
		show_help(stdout, &parsed);
		status = 0;
	} else if (!parsed.command) {
		show_help(stderr, &parsed);
	} else {
		status = run(&parsed);
	}
	parsed_finish(&parsed);
	return finish_output(status);
}
