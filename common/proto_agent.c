/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/proto_agent.h"

#include "common/str.h"

#define PROTO	    agent
#define PROTO_TABLE "common/proto/agent.tbl.h"
#include "common/ipc_impl.h"
