/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/siphash.h"

#include <endian.h>
#include <string.h>

static uint64_t rotate(uint64_t v, unsigned by)
{
	return v << by | v >> (64 - by);
}

static void round_once(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static void take_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	round_once(v);
	v[0] ^= word;
}

uint64_t siphash(const uint64_t key[2], const void *p, size_t n)
{
	uint64_t v[4] = { key[0] ^ 0x736f6d6570736575ULL, key[1] ^ 0x646f72616e646f6dULL,
		key[0] ^ 0x6c7967656e657261ULL, key[1] ^ 0x7465646279746573ULL };
	const uint8_t *bytes = p;
	uint64_t word;
	size_t at = 0;

	for (; n - at >= 8; at += 8) {
		memcpy(&word, bytes + at, 8);
		take_word(v, le64toh(word));
	}
	word = (uint64_t)n << 56;
	for (unsigned shift = 0; at < n; at++, shift += 8)
		word |= (uint64_t)bytes[at] << shift;
	take_word(v, word);
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		round_once(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
