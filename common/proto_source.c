/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/proto_source.h"

#include "common/str.h"

#define PROTO	    source
#define PROTO_TABLE "common/proto/source.tbl.h"
#include "common/ipc_impl.h"
