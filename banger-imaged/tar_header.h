/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* One block that is a header (POSIX.1-2017, pax, "ustar Interchange Format", and what v7, star and
 * GNU made of it). */
#include <stdbool.h>
#include <stdint.h>

#include "banger-imaged/tar_map.h"
#include "common/err.h"

#define TAR_BLOCK 512

struct tar_header {
	char name[257]; /* with its prefix */
	char link[101];
	uint8_t type;
	int64_t mode, uid, gid, size, mtime;
	int64_t major, minor; /* of devices */
	bool sparse_more;     /* of old GNU sparse files: further blocks of the map follow */
	int64_t sparse_size;
};

bool tar_header_is_end(const uint8_t block[TAR_BLOCK]); /* all zeros */

/* False for what is none, and why. Sizes are not negative. */
bool tar_header_decode(
	const uint8_t block[TAR_BLOCK], struct tar_header *ret, const char **ret_why);

/* The segments of an old GNU map: four in the header, 21 in a block that goes on with it. */
int tar_header_segments(
	const uint8_t block[TAR_BLOCK], bool further, struct tar_map *m, struct err *err);
bool tar_header_continues(const uint8_t block[TAR_BLOCK]);
