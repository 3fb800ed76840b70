/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Which of several images: by reference, then by the host's platform. */
#include <stdbool.h>

#include "banger-imaged/manifest.h"
#include "common/err.h"

/* "amd64", "arm64"…: GOARCH of this build. */
extern const char *const host_architecture;

/*
 * One of an index. `reference` (""; none) only chooses at the top: a name as annotated, or a
 * digest. Several names and no choice is an error that lists them, save when they all mean one
 * digest. Of several platforms the host's, plain before a finer variant; attestations
 * (unknown/unknown) never. Fails with not_found or bad_input.
 */
int choose_descriptor(const struct index *x, const char *reference, bool top,
	const struct descriptor **ret, struct err *err);

/* "linux/amd64, linux/arm64/v8": what there is, attestations apart, as far as it fits into cap. */
void choose_platforms(const struct index *x, char *dst, size_t cap);
