/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The messages of common/proto/imaged.tbl.h as C: see common/ipc_decl.h. */
#define PROTO	    imaged
#define PROTO_TABLE "common/proto/imaged.tbl.h"
#include "common/ipc_decl.h"
