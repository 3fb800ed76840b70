/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Descriptors, indexes and manifests (OCI image-spec: descriptor.md, image-index.md, manifest.md;
 * and docker's own of schema 2). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "banger-imaged/decode.h"
#include "banger-imaged/image_limits.h"
#include "common/err.h"
#include "common/types.h"

enum media { MEDIA_NONE, MEDIA_INDEX, MEDIA_MANIFEST, MEDIA_CONFIG, MEDIA_LAYER };

struct platform {
	char os[32], architecture[32], variant[32];
};

struct descriptor {
	enum media media;
	enum compression compression; /* of a layer */
	char type[128];		      /* the media type as it was said */
	digest digest;
	uint64_t size;
	bool has_platform;
	struct platform platform;
	char reference[256]; /* "": none */
};

struct index {
	struct descriptor *list;
	uint32_t n;
};

struct manifest {
	struct descriptor config;
	struct descriptor *layers;
	uint32_t n_layers;
};

/* `type`: the media type by which it was referred to ("" for index.json itself): what the document
 * says of itself must agree. */
int index_parse(const char *s, size_t n, const char *type, struct index *ret, struct err *err);
void index_finish(struct index *x);

int manifest_parse(const char *s, size_t n, const char *type, const struct image_limits *limits,
	struct manifest *ret, struct err *err);
void manifest_finish(struct manifest *m);
