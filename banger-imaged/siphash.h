/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* SipHash-1-3 (Aumasson, Bernstein: "SipHash: a fast short-input PRF"): a hash whose collisions
 * nobody finds who does not know the key. */
#include <stddef.h>
#include <stdint.h>

uint64_t siphash(const uint64_t key[2], const void *p, size_t n);
