/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Stages of long work on standard error: one line drawn again and again on a terminal, a line for
 * each stage elsewhere, nothing when quiet. */
#include <stdbool.h>
#include <stdint.h>

#include "banger-cli/client.h"

struct progress {
	bool quiet, redraws, drawn;
	char last[64]; /* the stage of the last line */
	uint64_t drawn_at_ms;
};

/* Columns of names, so that bars begin below each other. */
#define PROGRESS_NAME 12

/* "[####....]" of at most `room` columns; false when that is too few for a bar. */
#define PROGRESS_BAR 27
bool progress_bar(uint64_t done, uint64_t total, int room, char ret[PROGRESS_BAR]);

void progress_init(struct progress *p, bool quiet);

/* For struct client_wait: ctx is the struct progress. */
void progress_stage(void *ctx, const struct stage *s);

/* Take the line away before something else is written. Any number of times. */
void progress_clear(struct progress *p);
