/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Between decode.c and the formats alone. */
#include <stdbool.h>

#include "banger-imaged/decode.h"

#define DECODER_BUF (256U << 10)

struct decoder_ops {
	int (*open)(struct decoder *d, struct err *err);
	void (*close)(struct decoder *d);
	/* At least one byte, or *ret_n 0 at the end. */
	int (*read)(struct decoder *d, uint8_t *buf, size_t cap, size_t *ret_n, struct err *err);
};

struct decoder {
	const struct decoder_ops *ops;
	struct input *in;
	uint8_t *buf;
	const uint8_t *p; /* what is left of the input in buf */
	size_t n;
	bool eof; /* of the input */
	void *state;
	bool inside; /* a member or frame was begun and not ended; of xz: the first bytes were used
		      */
};

extern const struct decoder_ops decoder_plain, decoder_gzip, decoder_zstd, decoder_xz;

/* Have input at d->p, or d->eof. */
int decoder_refill(struct decoder *d, struct err *err);
