/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/tar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "banger-imaged/tar_header.h"
#include "banger-imaged/tar_pax.h"
#include "banger-imaged/tar_sparse.h"
#include "common/str.h"

struct tar {
	struct flow *s;
	const struct image_limits *limits;
	const uint8_t *p; /* what is left of the stream's piece */
	size_t n;
	uint64_t at;	     /* in the stream */
	uint64_t data;	     /* bytes of the entry's data not read yet */
	uint64_t padding;    /* behind them */
	uint32_t segment;    /* the one that is being read … */
	uint64_t segment_at; /* … and how much of it was */
	bool ended, marked;
	struct pax global, local;
	struct sparse_map map;
	struct tar_entry entry;
};

int tar_open(struct flow *s, const struct image_limits *limits, struct tar **ret, struct err *err)
{
	struct tar *t = calloc(1, sizeof(*t));

	if (!t)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read a tar stream");
	t->s = s;
	t->limits = limits;
	*ret = t;
	return 0;
}

void tar_close(struct tar *t)
{
	if (!t)
		return;
	pax_finish(&t->local);
	pax_finish(&t->global);
	free(t->map.segments);
	free(t);
}

/* Have at least one byte at t->p, or t->n == 0 at the stream's end. */
static int fill(struct tar *t, struct err *err)
{
	return t->n > 0 ? 0 : t->s->next(t->s, &t->p, &t->n, err);
}

static int truncated(struct err *err)
{
	return err_set(err, ERR_bad_input, "the tar archive ends in the middle");
}

/* Exactly n bytes into dst; *ret_eof when the stream ended before the first of them. */
static int take(struct tar *t, void *dst, size_t n, bool *ret_eof, struct err *err)
{
	size_t got = 0;

	while (got < n) {
		size_t k;

		if (fill(t, err) < 0)
			return -1;
		if (t->n == 0) {
			if (got > 0 || !ret_eof)
				return truncated(err);
			*ret_eof = true;
			return 0;
		}
		k = t->n < n - got ? t->n : n - got;
		memcpy((uint8_t *)dst + got, t->p, k);
		t->p += k;
		t->n -= k;
		got += k;
	}
	t->at += n;
	return 0;
}

static int pass_over(struct tar *t, uint64_t n, struct err *err)
{
	t->at += n;
	while (n > 0) {
		size_t k;

		if (t->n == 0 && t->s->skip)
			return t->s->skip(t->s, n, err);
		if (fill(t, err) < 0)
			return -1;
		if (t->n == 0)
			return truncated(err);
		k = t->n < n ? t->n : (size_t)n;
		t->p += k;
		t->n -= k;
		n -= k;
	}
	return 0;
}

static uint64_t padding_of(uint64_t size)
{
	return (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK;
}

/* The body of an extended header, in memory (NUL behind it). */
static int take_body(
	struct tar *t, const struct tar_header *h, uint8_t **ret, size_t *ret_n, struct err *err)
{
	uint8_t *body;

	if (h->size < 0 || (uint64_t)h->size > t->limits->tar_header)
		return err_set(err, ERR_bad_input, "an extended tar header is larger than %u bytes",
			t->limits->tar_header);
	body = malloc((size_t)h->size + 1);
	if (!body)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read a tar header");
	if (take(t, body, (size_t)h->size, NULL, err) < 0 ||
		pass_over(t, padding_of((uint64_t)h->size), err) < 0) {
		free(body);
		return -1;
	}
	body[h->size] = '\0';
	*ret = body;
	*ret_n = (size_t)h->size;
	return 0;
}

/* GNU's 'L' and 'K': the next entry's name or link target. */
static int take_long_name(const uint8_t *body, size_t n, char **dst, struct err *err)
{
	size_t len = strnlen((const char *)body, n);
	char *copy;

	for (size_t i = len; i < n; i++)
		if (body[i] != '\0')
			return err_set(err, ERR_bad_input, "a long tar name has a NUL in it");
	if (len >= TAR_PATH_MAX)
		return err_set(
			err, ERR_bad_input, "a tar name is longer than %d bytes", TAR_PATH_MAX - 1);
	copy = strndup((const char *)body, len);
	if (!copy)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read a tar header");
	free(*dst);
	*dst = copy;
	return 0;
}

/* Headers that speak of the next one: 1 when h was such, 0 when not. */
static int take_extension(struct tar *t, const struct tar_header *h, struct err *err)
{
	_cleanup_free_ uint8_t *body = NULL;
	size_t n = 0;
	int r;

	if (!strchr("xXgLK", h->type))
		return 0;
	if (take_body(t, h, &body, &n, err) < 0)
		return -1;
	if (h->type == 'L' || h->type == 'K')
		r = take_long_name(body, n, h->type == 'L' ? &t->local.path : &t->local.link, err);
	else
		r = pax_parse(h->type == 'g' ? &t->global : &t->local, body, n, h->type == 'g',
			t->limits, err);
	return r < 0 ? -1 : 1;
}

/* The next header that is an entry's; *ret_end at the archive's end. */
static int take_header(struct tar *t, uint8_t block[TAR_BLOCK], struct tar_header *h, bool *ret_end,
	struct err *err)
{
	bool eof = false, begun = false;
	unsigned extensions = 0;

	for (;;) {
		int r;

		if (take(t, block, TAR_BLOCK, begun ? NULL : &eof, err) < 0)
			return -1;
		if (eof || tar_header_is_end(block)) {
			if (begun)
				return truncated(err);
			*ret_end = true;
			t->marked = !eof;
			return 0;
		}
		if (tar_header_parse(block, h, err) < 0)
			return -1;
		r = take_extension(t, h, err);
		if (r <= 0)
			return r;
		begun = h->type != 'g';
		/* Before one entry stand at most a global, a pax, and two GNU headers. */
		if (++extensions > 64)
			return err_set(err, ERR_bad_input, "too many extended headers in a row");
	}
}

static bool type_of(char flag, enum tar_type *ret)
{
	switch (flag) {
	case '0':
	case '7': /* "contiguous": a plain file everywhere */
	case 'S':
		*ret = TAR_FILE;
		return true;
	case '1':
		*ret = TAR_HARDLINK;
		return true;
	case '2':
		*ret = TAR_SYMLINK;
		return true;
	case '3':
		*ret = TAR_CHAR_DEVICE;
		return true;
	case '4':
		*ret = TAR_BLOCK_DEVICE;
		return true;
	case '5':
		*ret = TAR_DIRECTORY;
		return true;
	case '6':
		*ret = TAR_FIFO;
		return true;
	default:
		return false;
	}
}

static int set_names(struct tar *t, const struct tar_header *h, struct err *err)
{
	struct tar_entry *e = &t->entry;
	const char *name = t->local.path ? t->local.path : h->name;

	if (t->local.sparse_name)
		name = t->local.sparse_name;
	if (name[0] == '\0')
		return err_set(err, ERR_bad_input, "a tar entry has no name");
	if (!str_copy(e->name, sizeof(e->name), name) ||
		!str_copy(e->link, sizeof(e->link), t->local.link ? t->local.link : h->link))
		return err_set(err, ERR_bad_input, "a tar name is too long");
	if (!type_of(h->type, &e->type))
		return err_set(err, ERR_bad_input, "'%s': a tar entry of the unknown type '%c'",
			e->name, h->type >= ' ' && h->type <= '~' ? h->type : '?');
	return 0;
}

static int set_numbers(struct tar *t, const struct tar_header *h, struct err *err)
{
	const struct pax *g = &t->global, *l = &t->local;
	struct tar_entry *e = &t->entry;
	int64_t uid = g->has_uid ? (int64_t)g->uid : h->uid;
	int64_t gid = g->has_gid ? (int64_t)g->gid : h->gid;
	int64_t major = l->has_major ? (int64_t)l->major : h->major;
	int64_t minor = l->has_minor ? (int64_t)l->minor : h->minor;

	uid = l->has_uid ? (int64_t)l->uid : uid;
	gid = l->has_gid ? (int64_t)l->gid : gid;
	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return err_set(err, ERR_bad_input, "'%s': its owner %lld:%lld is out of range",
			e->name, (long long)uid, (long long)gid);
	if (major < 0 || major > 0xfff || minor < 0 || minor > 0xfffff)
		return err_set(err, ERR_bad_input, "'%s': the device %lld:%lld is none of Linux",
			e->name, (long long)major, (long long)minor);
	e->mode = h->mode;
	e->uid = (uint32_t)uid;
	e->gid = (uint32_t)gid;
	e->major = (uint32_t)major;
	e->minor = (uint32_t)minor;
	e->mtime = h->mtime;
	if (l->has_mtime || g->has_mtime) {
		e->mtime = l->has_mtime ? l->mtime : g->mtime;
		e->mtime_ns = l->has_mtime ? l->mtime_ns : g->mtime_ns;
	}
	e->xattrs = t->local.xattrs;
	e->n_xattrs = t->local.n_xattrs;
	return 0;
}

/* Format 1.0: the map stands before the data, in whole blocks. */
static int take_map_text(struct tar *t, struct err *err)
{
	struct sparse_text text = { 0 };

	while (!text.done) {
		uint8_t block[TAR_BLOCK];

		if (t->entry.stored < TAR_BLOCK)
			return err_set(err, ERR_bad_input, "a sparse map has no end");
		if (take(t, block, TAR_BLOCK, NULL, err) < 0)
			return -1;
		t->entry.stored -= TAR_BLOCK;
		for (unsigned i = 0; i < TAR_BLOCK && !text.done; i++)
			if (sparse_text_add(&text, &t->map, block[i], err) < 0)
				return -1;
	}
	return 0;
}

static int take_map_gnu(struct tar *t, const uint8_t *block, struct err *err)
{
	uint8_t extension[TAR_BLOCK];
	bool more;

	if (sparse_map_add_gnu(&t->map, block, true, &more, err) < 0)
		return -1;
	while (more)
		if (take(t, extension, TAR_BLOCK, NULL, err) < 0 ||
			sparse_map_add_gnu(&t->map, extension, false, &more, err) < 0)
			return -1;
	return 0;
}

static int set_sparse(
	struct tar *t, const struct tar_header *h, const uint8_t *block, struct err *err)
{
	const struct pax *l = &t->local;
	struct tar_entry *e = &t->entry;
	uint64_t size = h->type == 'S' ? (uint64_t)h->real_size : l->sparse_size;

	t->map.n = 0;
	if (h->type == 'S' ? h->real_size < 0 : !l->has_sparse_size || (l->n_sparse_numbers & 1))
		return err_set(
			err, ERR_bad_input, "'%s': a sparse file without size or map", e->name);
	if (h->type == 'S') {
		if (take_map_gnu(t, block, err) < 0)
			return -1;
	} else if (l->sparse_major == 1) {
		if (take_map_text(t, err) < 0)
			return -1;
	}
	for (uint32_t i = 0; h->type != 'S' && i < l->n_sparse_numbers; i += 2)
		if (sparse_map_add(&t->map, l->sparse_numbers[i], l->sparse_numbers[i + 1], err) <
			0)
			return -1;
	if (sparse_map_check(&t->map, size, e->stored, err) < 0)
		return err_wrap(err, "'%s'", e->name);
	e->sparse = true;
	e->size = size;
	e->segments = t->map.segments;
	e->n_segments = t->map.n;
	return 0;
}

static int set_entry(
	struct tar *t, const struct tar_header *h, const uint8_t *block, struct err *err)
{
	struct tar_entry *e = &t->entry;

	memset(e, 0, offsetof(struct tar_entry, name));
	memset((uint8_t *)e + offsetof(struct tar_entry, mode), 0,
		sizeof(*e) - offsetof(struct tar_entry, mode));
	if (set_names(t, h, err) < 0 || set_numbers(t, h, err) < 0)
		return -1;
	if (e->type == TAR_FILE) {
		if (h->size < 0 && !t->local.has_size)
			return err_set(err, ERR_bad_input, "'%s': its size is negative", e->name);
		e->stored = t->local.has_size ? t->local.size : (uint64_t)h->size;
		if (e->stored > INT64_MAX - TAR_BLOCK)
			return err_set(err, ERR_bad_input, "'%s': its size is no size", e->name);
		t->padding = padding_of(e->stored);
		e->size = e->stored;
		if ((h->type == 'S' || t->local.sparse) && set_sparse(t, h, block, err) < 0)
			return -1;
	}
	e->data_at = t->at;
	t->data = e->stored;
	return 0;
}

int tar_next(struct tar *t, const struct tar_entry **ret, struct err *err)
{
	uint8_t block[TAR_BLOCK];
	struct tar_header h;
	bool end = false;

	if (t->ended) {
		*ret = NULL;
		return 0;
	}
	if (pass_over(t, t->data, err) < 0 || pass_over(t, t->padding, err) < 0)
		return -1;
	t->data = t->padding = t->segment_at = 0;
	t->segment = 0;
	pax_finish(&t->local);
	if (take_header(t, block, &h, &end, err) < 0)
		return -1;
	if (!end && set_entry(t, &h, block, err) < 0)
		return -1;
	t->ended = end;
	*ret = end ? NULL : &t->entry;
	return 0;
}

int tar_data(
	struct tar *t, uint64_t *ret_offset, const uint8_t **ret_p, size_t *ret_n, struct err *err)
{
	const struct tar_entry *e = &t->entry;
	uint64_t most = t->data;
	size_t k;

	if (most == 0) {
		*ret_n = 0;
		return 0;
	}
	if (e->sparse) {
		const struct tar_segment *s = &e->segments[t->segment];

		most = s->length - t->segment_at;
		*ret_offset = s->offset + t->segment_at;
	} else {
		*ret_offset = e->stored - t->data;
	}
	if (fill(t, err) < 0)
		return -1;
	if (t->n == 0)
		return truncated(err);
	k = t->n < most ? t->n : (size_t)most;
	*ret_p = t->p;
	*ret_n = k;
	t->p += k;
	t->n -= k;
	t->at += k;
	t->data -= k;
	t->segment_at += k;
	if (e->sparse && t->segment_at == e->segments[t->segment].length) {
		t->segment++;
		t->segment_at = 0;
	}
	return 0;
}

bool tar_has_end(const struct tar *t)
{
	return t->marked;
}

int tar_drain(struct tar *t, struct err *err)
{
	do {
		t->n = 0;
		if (fill(t, err) < 0)
			return -1;
	} while (t->n > 0);
	return 0;
}
