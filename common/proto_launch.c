/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/proto_launch.h"

#include "common/str.h"

#define PROTO	    launch
#define PROTO_TABLE "common/proto/launch.tbl.h"
#include "common/ipc_impl.h"
