/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The messages of common/proto/job.tbl.h as C: see common/ipc_decl.h. */
#define PROTO	    job
#define PROTO_TABLE "common/proto/job.tbl.h"
#include "common/ipc_decl.h"
