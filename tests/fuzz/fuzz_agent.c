/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest or a host may send over a port: the first byte says whether a nonce is expected and
 * how the bytes are cut. However they are cut, the same frames must come out, with the same end.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/proto_agent.h"
#include "common/str.h"
#include "common/stream.h"

/* A pipe takes so much at once (pipe(7)). */
#define INPUT_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	uint32_t frames, decoded, errors;
	uint64_t sum; /* of headers, in order */
	size_t left;
	bool broken;
};

/* Touch every byte that a decoded message leads to. */
static uint64_t sum_of(const struct message *m, enum field_dir dir, const uint8_t *st)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < m->n_fields; i++) {
		const struct field *f = &m->fields[i];
		bytes b = { 0 };

		if (f->dir != dir || (f->type != FT_bytes && f->type != FT_strv))
			continue;
		/* Both begin with the pointer and the length. */
		memcpy(&b, st + f->offset, sizeof(b));
		for (uint32_t j = 0; j < b.n; j++)
			sum = sum * 31 + ((const uint8_t *)b.p)[j];
	}
	return sum;
}

static void take(struct stream *s, struct outcome *o)
{
	static _Alignas(16) uint8_t st[8192];
	struct err err = ERR_INIT, remote = ERR_INIT;
	struct header h;
	int r;

	while ((r = stream_next(s, &h, &err)) == 1) {
		const struct message *m = &agent_protocol.messages[h.message];
		enum field_dir dir = h.kind == FRAME_REPLY ? DIR_OUT : DIR_IN;

		o->frames++;
		o->sum = o->sum * 31 + h.length + h.message + h.seq;
		if (h.kind == FRAME_ERROR) {
			o->errors += stream_decode_error(s, &remote, &err) == 0;
		} else if (stream_decode(s, st, &err) == 0) {
			o->decoded++;
			o->sum += sum_of(m, dir, st);
		}
	}
	o->broken = r < 0;
}

static struct outcome run(const uint8_t *data, size_t size, size_t piece, bool nonce)
{
	static const uint8_t expected[STREAM_NONCE] = "0123456789abcde";
	struct err err = ERR_INIT;
	struct outcome o = { 0 };
	struct stream *s;
	const void *rest;
	int p[2];

	if (stream_create(&agent_protocol, &s, &err) < 0 || pipe2(p, O_CLOEXEC | O_NONBLOCK) < 0)
		abort();
	if (nonce)
		stream_begin(s, expected);
	for (size_t at = 0; at < size && !o.broken; at += piece) {
		size_t n = size - at < piece ? size - at : piece;

		if (write(p[1], data + at, n) != (ssize_t)n || stream_feed(s, p[0], &err) != 1)
			abort();
		take(s, &o);
	}
	o.left = o.broken ? 0 : stream_unread(s, &rest);
	close(p[0]);
	close(p[1]);
	stream_destroy(s);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t pieces[] = { 1, 7, 23, 24, 25, 4096, 16, 333 };
	struct outcome whole, cut;

	if (size < 2 || size > INPUT_MAX)
		return 0;
	whole = run(data + 1, size - 1, size, data[0] & 1);
	cut = run(data + 1, size - 1, pieces[data[0] >> 1 & 7], data[0] & 1);
	if (whole.broken != cut.broken || whole.frames != cut.frames ||
		whole.decoded != cut.decoded || whole.errors != cut.errors ||
		whole.sum != cut.sum || whole.left != cut.left)
		abort();
	return 0;
}
