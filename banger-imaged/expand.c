/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/expand.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/str.h"

static void archive_freep(struct archive **a)
{
	archive_read_free(*a);
}

int expand_fail(struct archive *a, enum err_code code, const char *what, struct err *err)
{
	const char *text = archive_error_string(a);
	char line[160];

	str_format(line, sizeof(line), "%.150s", text ? text : "not a known format");
	str_sanitize(line);
	return err_set(err, code, "%s: %s", what, line);
}

int expand_filters(struct archive *a, struct err *err)
{
	if (archive_read_support_filter_gzip(a) != ARCHIVE_OK ||
		archive_read_support_filter_bzip2(a) != ARCHIVE_OK ||
		archive_read_support_filter_lzma(a) != ARCHIVE_OK ||
		archive_read_support_filter_xz(a) != ARCHIVE_OK ||
		archive_read_support_filter_lz4(a) != ARCHIVE_OK ||
		archive_read_support_filter_zstd(a) != ARCHIVE_OK)
		return err_set(err, ERR_unavailable,
			"this libarchive lacks one of gzip, bzip2, lzma, xz, lz4 and zstd");
	return 0;
}

int expand_to(const void *p, size_t n, uint64_t limit, expand_sink sink, void *ctx,
	const char *what, struct err *err)
{
	_cleanup_(archive_freep) struct archive *a = archive_read_new();
	struct archive_entry *entry;
	uint64_t total = 0;
	int r;

	if (!a)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot expand %s", what);
	if (expand_filters(a, err) < 0)
		return -1;
	if (archive_read_support_format_raw(a) != ARCHIVE_OK ||
		archive_read_open_memory(a, p, n) != ARCHIVE_OK ||
		archive_read_next_header(a, &entry) != ARCHIVE_OK)
		return expand_fail(a, ERR_bad_input, what, err);
	/* Filter 0 is the one nearest the reader: without any, the bytes were not compressed. */
	if (archive_filter_code(a, 0) == ARCHIVE_FILTER_NONE)
		return err_set(
			err, ERR_bad_input, "%s: compressed in a way that is not known", what);
	for (;;) {
		const void *block;
		size_t len;
		la_int64_t off;

		r = archive_read_data_block(a, &block, &len, &off);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r != ARCHIVE_OK)
			return expand_fail(a, ERR_bad_input, what, err);
		if (ckd_add(&total, total, len) || total > limit)
			return err_set(err, ERR_bad_input,
				"%s: expands to more than %llu MiB, which is the limit", what,
				(unsigned long long)(limit >> 20));
		if (sink(ctx, block, len, err) < 0)
			return -1;
	}
}

struct growing {
	uint8_t *p;
	size_t n, cap;
};

static int grow(void *ctx, const void *p, size_t n, struct err *err)
{
	struct growing *g = ctx;

	if (n > g->cap - g->n) {
		size_t cap;
		uint8_t *bigger;

		if (ckd_add(&cap, g->cap, n) || ckd_mul(&cap, cap, (size_t)2) ||
			!(bigger = realloc(g->p, cap)))
			return err_sys(err, ERR_operation_failed, ENOMEM, "cannot expand a file");
		g->p = bigger;
		g->cap = cap;
	}
	if (n > 0)
		memcpy(g->p + g->n, p, n);
	g->n += n;
	return 0;
}

int expand_memory(const void *p, size_t n, size_t limit, const char *what, uint8_t **ret,
	size_t *ret_len, struct err *err)
{
	struct growing g = { 0 };

	if (expand_to(p, n, limit, grow, &g, what, err) < 0) {
		free(g.p);
		return -1;
	}
	*ret = g.p;
	*ret_len = g.n;
	return 0;
}
