/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <archive.h>
#include <archive_entry.h>

#include "banger-imaged/decode_impl.h"

static la_ssize_t xz_input(struct archive *a, void *ctx, const void **ret)
{
	struct decoder *d = ctx;
	struct err failure = ERR_INIT;

	if (d->inside)
		d->n = 0;
	d->inside = true;
	if (decoder_refill(d, &failure) < 0) {
		archive_set_error(a, failure.sys, "%s", failure.msg);
		return -1;
	}
	*ret = d->p;
	return (la_ssize_t)d->n;
}

static int xz_error(struct archive *a, struct err *err)
{
	const char *why = archive_error_string(a);

	return err_set(err, ERR_bad_input, "the xz data is damaged: %s", why ? why : "no reason");
}

static int xz_open(struct decoder *d, struct err *err)
{
	struct archive *a = archive_read_new();
	struct archive_entry *e;

	if (!a || archive_read_support_filter_xz(a) != ARCHIVE_OK ||
		archive_read_support_format_raw(a) != ARCHIVE_OK) {
		archive_read_free(a);
		return err_set(err, ERR_operation_failed, "cannot decompress xz here");
	}
	if (archive_read_open(a, d, NULL, xz_input, NULL) != ARCHIVE_OK ||
		archive_read_next_header(a, &e) != ARCHIVE_OK) {
		xz_error(a, err);
		archive_read_free(a);
		return -1;
	}
	d->state = a;
	return 0;
}

static void xz_close(struct decoder *d)
{
	archive_read_free(d->state);
}

static int xz_read(struct decoder *d, uint8_t *buf, size_t cap, size_t *ret_n, struct err *err)
{
	la_ssize_t n = archive_read_data(d->state, buf, cap);

	if (n < 0)
		return xz_error(d->state, err);
	*ret_n = (size_t)n;
	return 0;
}

const struct decoder_ops decoder_xz = { xz_open, xz_close, xz_read };
