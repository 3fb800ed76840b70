/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/proto_netd.h"

#include "common/str.h"

#define PROTO	    netd
#define PROTO_TABLE "common/proto/netd.tbl.h"
#include "common/ipc_impl.h"
