/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* One 512-byte tar header block, decoded (POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar
 * manual, "Basic Tar Format"). */
#include <stdbool.h>
#include <stdint.h>

#include "banger-imaged/tar.h"
#include "common/err.h"

struct tar_header {
	char type; /* the type flag; '0' for '\0' */
	char name[257];
	char link[101];
	uint32_t mode;
	int64_t uid, gid, size, mtime;
	int64_t major, minor;
	/* of an old GNU sparse header */
	int64_t real_size;
	bool extended;
};

/* True when the block is all zeros. */
bool tar_header_is_end(const uint8_t block[TAR_BLOCK]);

/* Fails with bad_input: checksum or numbers are wrong. */
int tar_header_parse(const uint8_t block[TAR_BLOCK], struct tar_header *ret, struct err *err);

/* A number field: octal between blanks, or base 256. False when it is neither, or does not fit. */
bool tar_number(const uint8_t *p, size_t n, int64_t *ret);
