/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What was resolved, brought into the cache by several threads, and shown meanwhile as the
 * directory of an OCI layout (OCI image-spec, image-layout.md). */
#include "banger-imaged/fetch_job.h"

struct serve_figures {
	uint64_t fetched, reused; /* bytes */
};

/* Takes *source. As `serve` of fetch.tbl.h says. */
int fetch_serve_run(struct fetch_job *j, struct http *h, int *source, struct serve_figures *ret,
	struct err *err);
