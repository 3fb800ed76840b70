/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/proto_imaged.h"

#include "common/str.h"

#define PROTO	    imaged
#define PROTO_TABLE "common/proto/imaged.tbl.h"
#include "common/ipc_impl.h"
