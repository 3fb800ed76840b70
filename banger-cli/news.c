/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/news.h"

#include <stdio.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "banger-cli/cli.h"
#include "banger-cli/client.h"
#include "banger-cli/object.h"
#include "banger-cli/params.h"
#include "banger-cli/tty.h"
#include "common/fd.h"
#include "common/str.h"

/* For a daemon to be back. */
#define AGAIN_S	  1
#define TRIES_MAX 60

static void lose(struct news *n)
{
	client_closep(&n->own);
	n->client = NULL;
}

/* The daemon is gone: it is looked for again in a moment. */
static void wait_for_daemon(struct news *n)
{
	const struct itimerspec in = { .it_value = { .tv_sec = AGAIN_S } };

	lose(n);
	if (n->timer < 0)
		n->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (n->tries++ >= TRIES_MAX || n->timer < 0 || timerfd_settime(n->timer, 0, &in, NULL) < 0)
		fd_closep(&n->timer);
}

static void ask(struct news *n)
{
	struct err err = ERR_INIT;
	struct json_object *params;
	struct params p;

	params_init(&p);
	params_text(&p, "vm", n->vm);
	params_flag(&p, "paused", n->paused);
	params = params_finish(&p, &err);
	if (params && client_send(n->client, RPC_METHOD_vm_await, params, NULL, 0, false,
			      &n->request, &err) == 0)
		return;
	if (err.code == ERR_unavailable)
		wait_for_daemon(n);
	else
		lose(n);
}

void news_begin(struct news *n, const struct cli *cli, struct client *client, const char *vm)
{
	*n = (struct news){ .cli = cli, .client = client, .vm = vm, .timer = -1 };
	ask(n);
}

void news_end(struct news *n)
{
	lose(n);
	fd_closep(&n->timer);
}

int news_fd(const struct news *n)
{
	return n->client ? client_fd(n->client) : n->timer;
}

/* A line of its own, also on a terminal that is raw. */
static void say(const char *name, const char *what, const char *why)
{
	if (tty_is_raw())
		fputs("\r\n", stderr);
	cli_say("VM '%s' %s%s%s", name, what, why[0] ? ": " : "", why);
	if (tty_is_raw())
		fputs("\r", stderr);
	fflush(stderr);
}

/* Whether it is paused, or goes on: anything else is the end of both. */
static bool tell(struct news *n, struct json_object *vm)
{
	const char *state = object_text(vm, "state"), *name = object_text(vm, "name");
	const char *why = object_text(vm, "paused_why");

	name = name ? name : n->vm;
	if (state && str_eq(state, "paused") && !n->paused)
		say(name, "is paused", why ? why : "'banger vm resume' lets it go on");
	else if (state && str_eq(state, "running") && n->paused)
		say(name, "goes on", "");
	else
		return false;
	n->paused = !n->paused;
	return true;
}

static void on_timer(struct news *n)
{
	struct err err = ERR_INIT;
	uint64_t times;

	if (read(n->timer, &times, sizeof(times)) < 0)
		return;
	if (cli_connect(n->cli, &n->own, &err) < 0) {
		wait_for_daemon(n);
		return;
	}
	n->client = n->own;
	n->tries = 0;
	ask(n);
}

static void on_answer(struct news *n)
{
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	struct err err = ERR_INIT;
	int r = client_look(n->client, n->request, &reply, &err);

	if (r > 0 && tell(n, object_child(reply.result, "vm")))
		ask(n);
	else if (r < 0 && err.code == ERR_unavailable)
		wait_for_daemon(n);
	else if (r != 0)
		news_end(n);
}

void news_ready(struct news *n)
{
	if (n->client)
		on_answer(n);
	else
		on_timer(n);
}
