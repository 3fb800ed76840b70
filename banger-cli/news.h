/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What becomes of a VM that somebody is attached to: that it was paused, why, and that it goes on,
 * as lines on standard error. A daemon that is restarted meanwhile is asked again. Whatever else
 * fails ends the news, not what is attached. */
#include <stdbool.h>
#include <stdint.h>

struct cli;
struct client;

struct news {
	const struct cli *cli;
	const char *vm;
	struct client *client; /* NULL: none just now */
	struct client *own;    /* the same, where it is one of a later daemon */
	uint64_t request;      /* vm.await */
	bool paused;	       /* what was said last */
	int timer;	       /* for a daemon that is gone, or -1 */
	unsigned tries;
};

/* Ask for them. `client`, on which nobody waits meanwhile, `cli` and `vm` outlive the news. */
void news_begin(struct news *n, const struct cli *cli, struct client *client, const char *vm);
void news_end(struct news *n);

/* To be polled for reading; -1: there are none any more. */
int news_fd(const struct news *n);

/* It is readable: say what there is to say. */
void news_ready(struct news *n);
