/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/proto_job.h"

#include "common/str.h"

#define PROTO	    job
#define PROTO_TABLE "common/proto/job.tbl.h"
#include "common/ipc_impl.h"
