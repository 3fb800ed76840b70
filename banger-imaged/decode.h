/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Compressed bytes to plain ones: gzip (RFC 1952, any number of members) by ISA-L, zstd (RFC 8878,
 * any number of frames, skippable ones too) by libzstd, xz by libarchive. What stands behind the
 * last member or frame and is none, wrong lengths and check sums are errors. */
#include <stddef.h>
#include <stdint.h>

#include "banger-imaged/input.h"
#include "common/err.h"

enum compression {
	COMPRESSION_NONE,
	COMPRESSION_GZIP,
	COMPRESSION_ZSTD,
	COMPRESSION_XZ,
	COMPRESSION_ANY, /* whatever the bytes say */
	COMPRESSION_RAW, /* the bytes as they are */
};

/* What the first n (6 are enough) bytes of something begin like. */
enum compression compression_of(const uint8_t *p, size_t n);

struct decoder;

/* `in` stays the caller's and must live as long. Fails with bad_input when its bytes are something
 * else than `c`. */
int decoder_open(struct input *in, enum compression c, struct decoder **ret, struct err *err);
void decoder_close(struct decoder *d); /* NULL is allowed */
static inline void decoder_closep(struct decoder **d)
{
	decoder_close(*d);
}

/* Fill all of buf, save at the end: *ret_n < cap is the end. */
int decoder_read(struct decoder *d, void *buf, size_t cap, size_t *ret_n, struct err *err);
