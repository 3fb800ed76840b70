/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "common/proto_agent.h"
#include "common/stream.h"

/*
 * The host's channel until the guest has its root: `hello` is answered (not ready), `shutdown` ends
 * the machine, and `setup` is what is waited for. The host may come, go and come again. On a
 * machine with a vsock device the channel is a connection to AGENT_VSOCK_CONTROL, else it is port
 * 0.
 */
struct greet {
	int tree;
	int listener; /* of vsock; -1: there is port 0 */
	int port;     /* port 0, or the last connection; -1: there is none now */
	struct stream *s;
	struct header setup; /* of the request below */
	struct agent_setup_in in;
};

/* Open the channel (its driver is loaded; port 0's name may still be on its way). */
int greet_open(struct greet *g, int tree, int uevents, struct err *err);

/* Wait for a setup request; g->in's views live until the next call. */
int greet_wait(struct greet *g, struct err *err);

/* Refuse the request. */
void greet_refuse(struct greet *g, const struct err *why);

/* The request, and all that was read behind it, as a memfd to be read from its beginning. */
int greet_rest(struct greet *g, int *ret_fd, struct err *err);
