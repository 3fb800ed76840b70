/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * One exec: a process, its terminal or pipes, and the carrier whose stream has them. Each direction
 * is bounded: stdin by the credit that the host was given, output by the room in the stream. A
 * session whose carrier was dropped has five seconds from HUP to KILL.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/agent_ports.h"
#include "common/proto_agent.h"
#include "common/stream.h"
#include "guest/carrier.h"
#include "guest/child.h"
#include "guest/loop.h"

/* How much stdin the host may send beyond what was credited (common/proto/agent.tbl.h). */
#define SESSION_STDIN_MAX 262144

/* All at a time, whatever carries them; those included that were dropped and have not ended yet. */
#define SESSIONS_MAX AGENT_VSOCK_SESSIONS_MAX

struct output {
	struct source source; /* a pipe; with a terminal, the master of `out` alone */
	struct session *session;
	uint16_t message;
	bool readable;
	size_t owed; /* what the ended process may have left in it */
};

struct session {
	struct loop *loop;
	struct carrier *carrier; /* NULL once dropped */
	struct stream *stream;	 /* the carrier's */
	struct session *next;	 /* of all, dropped ones too */
	struct child child;
	uint32_t seq; /* of the exec request */
	bool tty;
	bool started; /* the request is answered */
	bool failed;  /* the program could not be run */
	bool ended, signaled, finished;
	int status;
	struct source pidfd, outcome;
	struct output out, errors;
	struct source input; /* the pipe; not used with a terminal */
	uint8_t *stdin_buf;
	size_t stdin_at, stdin_len;
	bool stdin_eof, veof_sent;
	uint32_t uncredited;
	struct timer grace, again, killer;
};

/* All sessions, the newest first. */
extern struct session *session_list;

/* Sessions that have a carrier. */
uint32_t session_count(void);

/* Begin what an exec request asks for. The reply goes through the carrier's stream once the program
 * runs; the carrier hears that it can't, or of its end. Fails with busy when there are
 * SESSIONS_MAX. */
int session_start(struct loop *loop, struct carrier *carrier, int tree, const struct image *image,
	uint32_t seq, const struct agent_exec_in *in, struct session **ret, struct err *err);

/* A notice of the host's; fails with protocol when it is not one that a session takes. */
int session_notice(struct session *s, uint16_t message, struct err *err);

/* The stream has room again, or data went out of it: move what can be moved. */
void session_move(struct session *s);

/* The host is gone: HUP now, KILL in five seconds. */
void session_drop(struct session *s);

/* A signal to the session's process group. */
void session_signal(struct session *s, int signo);
