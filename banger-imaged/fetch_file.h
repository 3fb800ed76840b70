/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* One file that is no registry's, into the cache: file_fetch of fetch.tbl.h. */
#include "banger-imaged/fetch_job.h"
#include "common/proto_fetch.h"

int fetch_file_run(struct fetch_job *j, struct http *h, const struct fetch_file_fetch_in *in,
	struct fetch_file_fetch_out *out, struct err *err);
