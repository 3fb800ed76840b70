/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The messages of common/proto/netd.tbl.h as C: see common/ipc_decl.h. */
#define PROTO	    netd
#define PROTO_TABLE "common/proto/netd.tbl.h"
#include "common/ipc_decl.h"
