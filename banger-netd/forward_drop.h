/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Whose rule drops what the host forwards, beside our tables: an accept of ours cannot help. */
#include <stdbool.h>
#include <stddef.h>

/*
 * Looks for a chain of another's that is at the hook `forward` and drops what no rule of it takes
 * (docker's "filter FORWARD" is one), in the text that `nft list chains` prints. Puts "table ip
 * filter, chain FORWARD" into dst and gives true for the first.
 */
bool forward_drop_find(const char *chains, char *dst, size_t cap);
