/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <string.h>

#include "banger-imaged/decode_impl.h"

#define HEAD	 4U /* magic, method, flags */
#define DEFLATE	 8
#define RESERVED 0xe0

static int gzip_open(struct decoder *d, struct err *err)
{
	struct inflate_state *s = malloc(sizeof(*s));

	if (!s)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot decompress the input");
	isal_inflate_init(s);
	d->state = s;
	return 0;
}

static void gzip_close(struct decoder *d)
{
	free(d->state);
}

/* A member's first four bytes in one piece, if there are as many. */
static int have_head(struct decoder *d, struct err *err)
{
	if (decoder_refill(d, err) < 0)
		return -1;
	if (d->n >= HEAD || d->eof)
		return 0;
	memmove(d->buf, d->p, d->n);
	d->p = d->buf;
	while (d->n < HEAD && !d->eof) {
		size_t n = 0;

		if (input_read(d->in, d->buf + d->n, DECODER_BUF - d->n, &n, err) < 0)
			return -1;
		d->n += n;
		d->eof = n == 0;
	}
	return 0;
}

/* Between members: begin another, or *ret_end. */
static int next_member(struct decoder *d, bool *ret_end, struct err *err)
{
	struct inflate_state *s = d->state;

	if (have_head(d, err) < 0)
		return -1;
	if (d->n == 0) {
		*ret_end = true;
		return 0;
	}
	if (d->p[0] != 0x1f || (d->n > 1 && d->p[1] != 0x8b))
		return err_set(err, ERR_bad_input, "bytes that are no gzip follow the gzip data");
	/* RFC 1952, 2.3.1.2: a reserved flag may mean a field that nobody knows of. */
	if (d->n >= HEAD && (d->p[2] != DEFLATE || d->p[3] & RESERVED))
		return err_set(err, ERR_bad_input, "the gzip data is of a kind that nobody knows");
	isal_inflate_reset(s);
	s->crc_flag = ISAL_GZIP;
	d->inside = true;
	return 0;
}

static int gzip_read(struct decoder *d, uint8_t *buf, size_t cap, size_t *ret_n, struct err *err)
{
	struct inflate_state *s = d->state;
	bool end = false;

	s->next_out = buf;
	s->avail_out = (uint32_t)cap;
	while (s->avail_out == cap) {
		int r;

		if (!d->inside && next_member(d, &end, err) < 0)
			return -1;
		if (end)
			break;
		if (decoder_refill(d, err) < 0)
			return -1;
		s->next_in = (uint8_t *)(uintptr_t)d->p;
		s->avail_in = (uint32_t)d->n;
		r = isal_inflate(s);
		if (r < 0)
			return err_set(err, ERR_bad_input, "the gzip data is damaged");
		d->p = s->next_in;
		d->n = s->avail_in;
		if (s->block_state == ISAL_BLOCK_FINISH)
			d->inside = false;
		else if (d->eof && s->avail_out == cap)
			return err_set(err, ERR_bad_input, "the gzip data ends in the middle");
	}
	*ret_n = cap - s->avail_out;
	return 0;
}

const struct decoder_ops decoder_gzip = { gzip_open, gzip_close, gzip_read };
