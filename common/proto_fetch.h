/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The messages of common/proto/fetch.tbl.h as C: see common/ipc_decl.h. */
#define PROTO	    fetch
#define PROTO_TABLE "common/proto/fetch.tbl.h"
#include "common/ipc_decl.h"
