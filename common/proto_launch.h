/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The messages of common/proto/launch.tbl.h as C: see common/ipc_decl.h. */
#define PROTO	    launch
#define PROTO_TABLE "common/proto/launch.tbl.h"
#include "common/ipc_decl.h"
