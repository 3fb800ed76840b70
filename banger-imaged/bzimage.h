/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The x86 boot protocol's kernel file (Documentation/arch/x86/boot.rst): a setup part, then code
 * with the compressed vmlinux inside. VMMs boot the vmlinux itself faster.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "banger-imaged/expand.h"
#include "common/err.h"
#include "common/types.h"

/* The first bytes that bzimage_is() needs. */
#define BZIMAGE_MAGIC_SIZE 0x206

bool bzimage_is(const void *p, size_t n);

struct bzimage {
	text version;		/* the first word of the kernel's version string */
	const uint8_t *payload; /* inside the caller's bytes */
	size_t payload_len;	/* without the size that stands behind it */
	uint32_t unpacked_len;
};

/* Find the parts of the n bytes at p. Fails with bad_input. */
int bzimage_parse(const uint8_t *p, size_t n, struct bzimage *ret, struct err *err);

/* Expand the payload into sink; fails with bad_input when it does not come to the size that the
 * header says, or to more than `limit` bytes. */
int bzimage_expand(
	const struct bzimage *b, uint64_t limit, expand_sink sink, void *ctx, struct err *err);
