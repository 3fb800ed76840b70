/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "banger-imaged/decode_impl.h"

/* What `zstd -d` takes without being told more: a window of 128 MiB. */
#define WINDOW_LOG_MAX 27

static int zstd_open(struct decoder *d, struct err *err)
{
	ZSTD_DCtx *z = ZSTD_createDCtx();

	if (!z || ZSTD_isError(ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))) {
		ZSTD_freeDCtx(z);
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot decompress the input");
	}
	d->state = z;
	return 0;
}

static void zstd_close(struct decoder *d)
{
	ZSTD_freeDCtx(d->state);
}

static int zstd_read(struct decoder *d, uint8_t *buf, size_t cap, size_t *ret_n, struct err *err)
{
	ZSTD_outBuffer out = { buf, cap, 0 };

	while (out.pos == 0) {
		ZSTD_inBuffer in;
		size_t r;

		if (decoder_refill(d, err) < 0)
			return -1;
		if (d->eof && !d->inside)
			break;
		in = (ZSTD_inBuffer){ d->p, d->n, 0 };
		r = ZSTD_decompressStream(d->state, &out, &in);
		if (ZSTD_isError(r))
			return err_set(err, ERR_bad_input, "the zstd data is damaged: %s",
				ZSTD_getErrorName(r));
		d->p += in.pos;
		d->n -= in.pos;
		d->inside = r != 0;
		if (d->eof && d->inside && out.pos == 0)
			return err_set(err, ERR_bad_input, "the zstd data ends in the middle");
	}
	*ret_n = out.pos;
	return 0;
}

const struct decoder_ops decoder_zstd = { zstd_open, zstd_close, zstd_read };
