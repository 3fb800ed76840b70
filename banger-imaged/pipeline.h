/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Layers as one flow through a small ring of buffers, a thread a stage:
 *
 *	verify: wait for each layer, and its digest as it is stored, before a byte of it is
 *		decompressed
 *	decode: decompress into the ring, layer after layer
 *	check:  the digest of what came out (diff_id), where one is known
 *	and the caller's thread, which reads the same buffers as a stream.
 *
 * The first failure of any stage stops all, and is what the caller gets.
 */
#include <stdbool.h>
#include <stdint.h>

#include "banger-imaged/decode.h"
#include "banger-imaged/flow.h"
#include "banger-imaged/image_limits.h"
#include "banger-imaged/input.h"
#include "common/err.h"
#include "common/types.h"

struct pipeline_item {
	struct input input; /* a range; or a pipe, which is not verified first */
	/* Fills in `input`, when it is this one's turn; NULL: it is there. Called in a thread of
	 * the pipeline's; it ends with cancelled when cancel_fd becomes readable. */
	int (*open)(void *ctx, struct pipeline_item *item, int cancel_fd, struct err *err);
	void *ctx;
	enum compression compression;
	const char *name;     /* for messages */
	const digest *stored; /* of the input; NULL: not known */
	const digest *plain;  /* of what comes out; NULL: not checked */
	digest *ret_stored;   /* receives the sha256 of the input; NULL: not wanted */
};

struct pipeline;

/* `items` must live as long. An item's input is read by the pipeline's threads alone. */
int pipeline_open(struct pipeline_item *items, uint32_t n, const struct image_limits *limits,
	struct pipeline **ret, struct err *err);
void pipeline_close(struct pipeline *p); /* stops and joins the threads; NULL is allowed */
static inline void pipeline_closep(struct pipeline **p)
{
	pipeline_close(*p);
}

/* The plain bytes of the current item. */
struct flow *pipeline_flow(struct pipeline *p);

/* After the stream's end: wait for the item's checks and go on to the next. */
int pipeline_next(struct pipeline *p, struct err *err);

/* Whether a stage failed: then the error names its item already, which may not be the caller's. */
bool pipeline_failed(struct pipeline *p);

/* Stored bytes that were decompressed so far, for progress. */
uint64_t pipeline_taken(struct pipeline *p);
