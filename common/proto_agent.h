/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The messages of common/proto/agent.tbl.h as C: see common/ipc_decl.h. */
#define PROTO	    agent
#define PROTO_TABLE "common/proto/agent.tbl.h"
#include "common/ipc_decl.h"

/* What a guest's agent says it speaks (hello): a change that an older peer cannot follow adds 1. */
#define AGENT_VERSION 1
