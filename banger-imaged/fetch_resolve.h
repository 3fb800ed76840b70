/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* From a reference to the one manifest it means on this host. */
#include "banger-imaged/fetch_document.h"
#include "banger-imaged/fetch_job.h"

struct resolved {
	struct descriptor manifest; /* digest, size, type */
	digest top;
	bool cached;
};

/* j->reference; `platform` as in fetch.tbl.h. */
int fetch_resolve_run(struct fetch_job *j, struct http *h, const char *platform,
	struct resolved *ret, struct err *err);
