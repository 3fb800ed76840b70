/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Images from registries. A fetcher (banger-imaged-fetch) finds out what a reference means and
 * brings the blobs into the owner's cache; at the same time it serves them, as a CLI serves the
 * directory of an OCI layout, to an ordinary worker, which makes the image. Who asks for what
 * another of his requests is pulling waits for that one.
 */
#include <stdbool.h>

#include "bangerd/store_image.h"
#include "common/err.h"

struct call;
struct rpc_image_pull_in;

/* The request: see rpc.tbl.h. *ret_pulled: the image was made now. */
int image_pull(struct call *call, const struct rpc_image_pull_in *in, struct image_row *ret,
	bool *ret_pulled, struct err *err);
