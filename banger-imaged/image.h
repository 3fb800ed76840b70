/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* An image as it was found: verified down to its configuration, with its layers where they are. */
#include <stdbool.h>
#include <stdint.h>

#include "banger-imaged/image_config.h"
#include "banger-imaged/image_limits.h"
#include "banger-imaged/pipeline.h"
#include "banger-imaged/store.h"
#include "common/err.h"
#include "common/types.h"

struct image_layer {
	struct blob blob; /* fd -1: to be opened when it is its turn */
	enum compression compression;
	bool has_digest;
	digest digest;
	char name[DIGEST_MAX + 16]; /* "layer sha256:…", for messages */
};

struct image {
	digest id;
	char reference[256];  /* "": it has none */
	digest config_digest; /* "": a rootfs has none */
	struct image_config config;
	struct image_layer *layers; /* oldest first; as many as the configuration's diff_ids */
	uint32_t n_layers;
};

/* An OCI layout (OCI image-spec, image-layout.md). `reference` chooses as in choose.h. */
int image_open_oci(struct store *s, const char *reference, const struct image_limits *limits,
	struct image *ret, struct err *err);

/* What `docker save` writes: manifest.json, a configuration and layers by their names. */
int image_open_docker(struct store *s, const char *reference, const struct image_limits *limits,
	struct image *ret, struct err *err);

/* Open a layer of image_open_oci()'s that is not. `cancel_fd` as of store_find(). */
int image_layer_open(struct store *s, struct image_layer *l, int cancel_fd, struct err *err);

void image_finish(struct image *i);

/* Both kinds' last step: the configuration speaks of this host and of as many layers. */
int image_check_config(const struct image *i, struct err *err);
