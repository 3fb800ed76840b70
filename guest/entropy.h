/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "common/types.h"

/* Give the kernel's random generator the host's bytes (at most 512), counted in full (random(4),
 * RNDADDENTROPY): the first program that asks need not wait. `tree`: see tree.h. A failure is
 * logged: the kernel then gathers by itself. */
void entropy_add(int tree, const bytes *seed);
