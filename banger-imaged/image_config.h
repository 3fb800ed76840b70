/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* An image's configuration (OCI image-spec, config.md). */
#include <stddef.h>
#include <stdint.h>

#include "banger-imaged/image_limits.h"
#include "banger-imaged/manifest.h"
#include "common/err.h"
#include "common/types.h"

struct image_config {
	struct platform platform;
	digest *diff_ids; /* of the uncompressed layers, oldest first */
	uint32_t n_diff_ids;
	strv entrypoint, command, environment, exposed_ports;
	char *strings[4]; /* what those point into */
	text user, directory, stop_signal;
};

int image_config_parse(const char *s, size_t n, struct image_config *ret, struct err *err);
void image_config_finish(struct image_config *c);
