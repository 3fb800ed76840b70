/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What images.c and images_pulled.c share. */
#include "bangerd/blobs.h"
#include "bangerd/images.h"

#define IMAGES_SUFFIX "ext4"

struct images {
	const struct settings *settings;
	struct store *store;
	struct ipc *imaged;
	struct blobs blobs;
};

/* Make a row whose file is there; with `replace`, in the place of its owner's of that name. */
int images_commit_row(
	struct images *im, const struct image_row *row, bool replace, struct err *err);
