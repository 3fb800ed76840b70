/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/decode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "banger-imaged/decode_impl.h"

static const char *compression_name(enum compression c)
{
	static const char *const names[] = { "plain tar", "gzip-compressed", "zstd-compressed",
		"xz-compressed", "anything", "bytes" };

	return names[c];
}

enum compression compression_of(const uint8_t *p, size_t n)
{
	static const uint8_t xz[6] = { 0xfd, '7', 'z', 'X', 'Z', 0 };

	if (n >= 2 && p[0] == 0x1f && p[1] == 0x8b)
		return COMPRESSION_GZIP;
	if (n >= 4 && p[1] == 0xb5 && p[2] == 0x2f && p[3] == 0xfd && p[0] == 0x28)
		return COMPRESSION_ZSTD;
	/* A skippable frame may come first. */
	if (n >= 4 && (p[0] & 0xf0) == 0x50 && p[1] == 0x2a && p[2] == 0x4d && p[3] == 0x18)
		return COMPRESSION_ZSTD;
	if (n >= 6 && memcmp(p, xz, sizeof(xz)) == 0)
		return COMPRESSION_XZ;
	return COMPRESSION_NONE;
}

/* The input's first bytes into the buffer, and what they are. */
static int begin(struct decoder *d, enum compression *c, struct err *err)
{
	enum compression is;
	size_t n = 0;

	d->p = d->buf;
	do {
		if (input_read(d->in, d->buf + d->n, DECODER_BUF - d->n, &n, err) < 0)
			return -1;
		d->n += n;
	} while (n > 0 && d->n < 6);
	d->eof = d->n == 0;
	is = compression_of(d->buf, d->n);
	if (*c == COMPRESSION_ANY)
		*c = is;
	if (*c == COMPRESSION_RAW)
		*c = is = COMPRESSION_NONE;
	if (*c != is)
		return err_set(err, ERR_bad_input, "its media type says %s, and it is %s",
			compression_name(*c),
			is == COMPRESSION_NONE ? "not" : compression_name(is));
	return 0;
}

int decoder_open(struct input *in, enum compression c, struct decoder **ret, struct err *err)
{
	static const struct decoder_ops *const all[] = {
		[COMPRESSION_NONE] = &decoder_plain,
		[COMPRESSION_GZIP] = &decoder_gzip,
		[COMPRESSION_ZSTD] = &decoder_zstd,
		[COMPRESSION_XZ] = &decoder_xz,
	};
	struct decoder *d = calloc(1, sizeof(*d));

	if (d)
		d->buf = malloc(DECODER_BUF);
	if (!d || !d->buf) {
		free(d);
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot decompress the input");
	}
	d->in = in;
	if (begin(d, &c, err) < 0 || all[c]->open(d, err) < 0) {
		free(d->buf);
		free(d);
		return -1;
	}
	d->ops = all[c];
	*ret = d;
	return 0;
}

static int plain_open(struct decoder *d, struct err *err)
{
	return 0;
}

static void plain_close(struct decoder *d)
{
}

static int plain_read(struct decoder *d, uint8_t *buf, size_t cap, size_t *ret_n, struct err *err)
{
	if (d->n == 0)
		return input_read(d->in, buf, cap, ret_n, err);
	*ret_n = d->n < cap ? d->n : cap;
	memcpy(buf, d->p, *ret_n);
	d->p += *ret_n;
	d->n -= *ret_n;
	return 0;
}

const struct decoder_ops decoder_plain = { plain_open, plain_close, plain_read };

void decoder_close(struct decoder *d)
{
	if (!d)
		return;
	d->ops->close(d);
	free(d->buf);
	free(d);
}

int decoder_refill(struct decoder *d, struct err *err)
{
	if (d->n > 0 || d->eof)
		return 0;
	if (input_read(d->in, d->buf, DECODER_BUF, &d->n, err) < 0)
		return -1;
	d->p = d->buf;
	d->eof = d->n == 0;
	return 0;
}

int decoder_read(struct decoder *d, void *buf, size_t cap, size_t *ret_n, struct err *err)
{
	size_t got = 0;

	while (got < cap) {
		size_t n = 0;

		if (d->ops->read(d, (uint8_t *)buf + got, cap - got, &n, err) < 0)
			return -1;
		if (n == 0)
			break;
		got += n;
	}
	*ret_n = got;
	return 0;
}
