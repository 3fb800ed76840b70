/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The progress of a pull: its layers, several at a time, and its other stages. On a terminal a
 * block of lines drawn again and again, a line for each whole layer elsewhere, nothing when quiet.
 */
#include <stdbool.h>
#include <stdint.h>

#include "banger-cli/client.h"
#include "banger-cli/progress.h"

#define LAYERS_MAX 160

struct layers {
	struct progress progress; /* the other stages */
	struct layer {
		char name[24];
		uint64_t done, total;
		bool told;
	} items[LAYERS_MAX];
	unsigned n, drawn; /* lines of the block */
	uint64_t drawn_at_ms;
	char stage[64]; /* the last of the others; "": none yet */
};

void layers_init(struct layers *l, bool quiet);

/* For struct client_wait: ctx is the struct layers. A stage "fetch NAME" is a layer. */
void layers_stage(void *ctx, const struct stage *s);

/* Take the block away before something else is written. Any number of times. */
void layers_clear(struct layers *l);
