/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The client of a guest's agent (common/proto/agent.tbl.h). The guest may be anybody's: what it
 * says is bounded, decoded by the table, and believed only about the guest itself. What breaks the
 * protocol closes the channel; the VM is unhealthy until a new connection answers.
 */
#include <stdbool.h>
#include <stdint.h>

#include "bangerd/wait.h"
#include "common/err.h"
#include "common/proto_agent.h"

#define AGENT_VERSION 1

struct agent;

/* The control channel of one VM, not connected. */
int agent_create(struct agent **ret, struct err *err);
void agent_destroy(struct agent *a); /* NULL is allowed */

/* Takes fd, port 0's socket (O_NONBLOCK), in the place of what was connected, and waits for the
 * agent to say hello. Fails with bad_version when it speaks another protocol; then, and on any
 * failure, nothing is connected. */
int agent_attach(struct agent *a, int fd, const struct wait *w, struct agent_hello_out *ret,
	struct err *err);
bool agent_attached(struct agent *a);
void agent_detach(struct agent *a);

/*
 * One request on port 0 (agent_msg_hello … agent_msg_sync); calls queue. An error of the guest's
 * comes back as "the guest: …". Fails with unavailable when nothing is connected; with timeout the
 * channel stays (a late answer is dropped), after what breaks it it is detached.
 */
int agent_call(struct agent *a, enum agent_message msg, const void *in, void *out,
	const struct wait *w, struct err *err);

/* ---- leased ports; fd is a port's socket, O_NONBLOCK, and stays the caller's ---- */

/* Both ends' nonce: afterwards what is read is this session's. */
int agent_handshake(int fd, const uint8_t *nonce, const struct wait *w, struct err *err);

/* Send the exec request, read its answer and not a byte more: the rest is the client's. */
int agent_exec_begin(int fd, const struct agent_exec_in *in, struct agent_exec_out *out,
	const struct wait *w, struct err *err);
