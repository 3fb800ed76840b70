/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* How much of an image is taken in before it is refused. Each has its own message. */
#include <stdint.h>

struct image_limits {
	uint64_t entries;	  /* of all layers together */
	uint64_t expanded;	  /* bytes, of all layers uncompressed */
	uint64_t ratio;		  /* expanded : compressed … */
	uint64_t ratio_free;	  /* … looked at beyond this many expanded bytes */
	uint64_t metadata;	  /* bytes of names, link targets, xattrs and extents in memory */
	uint32_t tar_headers;	  /* bytes of one entry's headers, sparse map included */
	uint32_t xattr;		  /* bytes of one value */
	uint32_t layers;	  /* of one image */
	uint32_t manifest;	  /* bytes of an index, manifest or configuration */
	uint32_t index_depth;	  /* indexes inside indexes */
	uint32_t archive_entries; /* of an archive that holds an image */
};

#define IMAGE_LIMITS_DEFAULT                                                                 \
	{                                                                                    \
		.entries = 2000000, .expanded = 64ULL << 30, .ratio = 2000,                  \
		.ratio_free = 1ULL << 30, .metadata = 512ULL << 20, .tar_headers = 4U << 20, \
		.xattr = 64U << 10, .layers = 128, .manifest = 4U << 20, .index_depth = 4,   \
		.archive_entries = 65536                                                     \
	}
