/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Whiteouts (OCI image-spec, layer.md, "Whiteouts"): they take away what lower layers put there,
 * wherever they stand in their own layer, whose entries stay. */
#include <stdbool.h>
#include <stdint.h>

#include "banger-imaged/tar.h"
#include "banger-imaged/tree.h"
#include "common/err.h"

/* Whether the entry is a whiteout; when it is, it has been done. */
int layer_whiteout(
	struct tree *t, const struct tar_entry *e, uint16_t layer, bool *ret_was, struct err *err);
