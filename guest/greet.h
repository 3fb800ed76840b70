/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "common/proto_agent.h"
#include "common/stream.h"

/*
 * Port 0 until the guest has its root: `hello` is answered (not ready), `shutdown` ends the
 * machine, and `setup` is what is waited for. The host may come, go and come again.
 */
struct greet {
	int tree, port;
	struct stream *s;
	struct header setup; /* of the request below */
	struct agent_setup_in in;
};

/* Open port 0 (its driver is loaded, its name may still be on its way). */
int greet_open(struct greet *g, int tree, int uevents, struct err *err);

/* Wait for a setup request; g->in's views live until the next call. */
int greet_wait(struct greet *g, struct err *err);

/* Refuse the request. */
void greet_refuse(struct greet *g, const struct err *why);

/* The request, and all that was read behind it, as a memfd to be read from its beginning. */
int greet_rest(struct greet *g, int *ret_fd, struct err *err);
