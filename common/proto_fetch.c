/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/proto_fetch.h"

#include "common/str.h"

#define PROTO	    fetch
#define PROTO_TABLE "common/proto/fetch.tbl.h"
#include "common/ipc_impl.h"
