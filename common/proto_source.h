/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The messages of common/proto/source.tbl.h as C: see common/ipc_decl.h. */
#define PROTO	    source
#define PROTO_TABLE "common/proto/source.tbl.h"
#include "common/ipc_decl.h"
