/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The second half of a pull: a fetcher that has resolved its reference serves the image's blobs to
 * a worker while it brings them. */
#include "bangerd/store_image.h"
#include "common/err.h"

struct call;
struct images_origin;
struct ipc;

/* Make the image `name`, in the place of the caller's of that name. Progress is told by `call`:
 * "fetch DIGEST" of each blob, and the worker's. */
int image_serve(struct call *call, struct ipc *fetcher, const ref_name *name,
	const struct images_origin *origin, struct image_row *ret, struct err *err);
