/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What came as the source fd, and where its bytes are to be read. */
#include <stdbool.h>
#include <stdint.h>

#include "banger-imaged/decode.h"
#include "banger-imaged/image_limits.h"
#include "banger-imaged/progress.h"
#include "common/enums.h"
#include "common/err.h"

struct ipc;

struct image_source {
	enum image_kind kind; /* never `auto` */
	struct ipc *ch;	      /* of a directory */
	/* else: the archive, plain save for a root file system */
	bool pipe;
	int fd; /* not owned */
	uint64_t at, size;
	enum compression compression;
};

/*
 * A pipe is copied to the spool first, save when it is said to be a root file system; a compressed
 * archive of an image is decompressed into the spool. `auto` looks at the bytes: a socket is an OCI
 * layout; an archive with index.json or oci-layout is an OCI one, one with manifest.json docker's,
 * else it is a root file system.
 */
int image_source_open(const struct progress *progress, enum image_kind kind, int *source, int spool,
	const struct image_limits *limits, struct image_source *ret, struct err *err);
void image_source_close(struct image_source *s);
