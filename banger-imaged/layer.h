/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A layer (OCI image-spec, layer.md) or a root file system onto the tree. */
#include <stdbool.h>
#include <stdint.h>

#include "banger-imaged/ext4_data.h"
#include "banger-imaged/image_limits.h"
#include "banger-imaged/tar.h"
#include "banger-imaged/tree.h"
#include "common/err.h"

struct layer {
	struct tree *tree;
	struct ext4_data *data;
	const struct image_limits *limits;
	uint16_t number;  /* from 1, the oldest */
	bool whiteouts;	  /* false: names like a whiteout's are names (a root file system) */
	uint64_t entries; /* taken so far, of all layers: what counts against the limit */
};

/* Take all entries of `t`, and read its stream to the end. What a failure leaves behind can only
 * be thrown away. */
int layer_apply(struct layer *l, struct tar *t, struct err *err);
