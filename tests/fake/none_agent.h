/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What a guest's agent would say on one stream (common/proto/agent.tbl.h), without a guest: it is
 * told how to be set up and is ready, in good health, and every command ends at once with 0. */
#include <stdbool.h>

struct none_agent;

/* The control port's, or a session. NULL: no memory. */
struct none_agent *none_agent_create(bool control);
void none_agent_destroy(struct none_agent *a); /* NULL is taken */

enum none_agent_result {
	NONE_AGENT_IDLE, /* all is read and written */
	NONE_AGENT_FULL, /* the socket takes no more now */
	NONE_AGENT_OVER, /* the peer is gone, or talks nonsense */
};

/* Take what came, answer it. A guest that was told to shut down ends the process here. */
enum none_agent_result none_agent_move(struct none_agent *a, int fd);
