/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/tar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "banger-imaged/tar_acl.h"
#include "banger-imaged/tar_header.h"
#include "banger-imaged/tar_map.h"
#include "banger-imaged/tar_pax.h"
#include "common/str.h"

#define XATTR_NAME 255

struct tar {
	struct flow *s;
	const struct image_limits *limits;

	const uint8_t *p; /* what is left of the flow's piece */
	size_t n;
	uint64_t at; /* of the stream, behind all that was taken */
	bool flow_ended;
	uint8_t block[TAR_BLOCK]; /* one that came in pieces */
	uint64_t headers;	  /* bytes of the headers of the entry */

	bool begun, ended, marked;
	uint64_t left;	  /* of the entry's data in the stream … */
	uint32_t padding; /* … and behind it */
	struct tar_extended extended;
	struct tar_map *map;			     /* of the entry, when it is sparse */
	struct tar_map own_map;			     /* of old GNU headers and 1.0 */
	uint32_t segment;			     /* of the map … */
	uint64_t done;				     /* … and bytes of it that were given */
	struct tar_xattr xattrs[TAR_PAX_XATTRS + 2]; /* two may be ACLs that came as text */
	struct tar_acl acls[2];
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
	tar_extended_finish(&t->extended);
	tar_map_finish(&t->own_map);
	free(t);
}

/* ---- the stream ---- */

/* Have bytes, or the stream's end. */
static int fill(struct tar *t, struct err *err)
{
	if (t->n > 0 || t->flow_ended)
		return 0;
	if (t->s->next(t->s, &t->p, &t->n, err) < 0)
		return -1;
	t->flow_ended = t->n == 0;
	return 0;
}

static void take(struct tar *t, size_t n)
{
	t->p += n;
	t->n -= n;
	t->at += n;
}

static int cut(const struct tar *t, struct err *err)
{
	if (t->entry.name[0] != '\0' && t->left > 0)
		return err_set(err, ERR_bad_input, "the tar archive ends in the middle of '%s'",
			t->entry.name);
	return err_set(err, ERR_bad_input, "the tar archive ends in the middle of a header");
}

static int read_bytes(struct tar *t, uint8_t *dst, size_t n, struct err *err)
{
	while (n > 0) {
		size_t k;

		if (fill(t, err) < 0)
			return -1;
		if (t->flow_ended)
			return cut(t, err);
		k = t->n < n ? t->n : n;
		memcpy(dst, t->p, k);
		take(t, k);
		dst += k;
		n -= k;
	}
	return 0;
}

/* The next block, where it stands if it stands in one piece; NULL at the stream's end. */
static int read_block(struct tar *t, const uint8_t **ret, struct err *err)
{
	if (fill(t, err) < 0)
		return -1;
	*ret = NULL;
	if (t->flow_ended)
		return 0;
	if (t->n >= TAR_BLOCK) {
		*ret = t->p;
		take(t, TAR_BLOCK);
		return 0;
	}
	*ret = t->block;
	return read_bytes(t, t->block, TAR_BLOCK, err);
}

static int pass_over(struct tar *t, uint64_t n, struct err *err)
{
	while (n > 0) {
		size_t k;

		if (t->n == 0 && t->s->skip && !t->flow_ended) {
			if (t->s->skip(t->s, n, err) < 0)
				return -1;
			t->at += n;
			return 0;
		}
		if (fill(t, err) < 0)
			return -1;
		if (t->flow_ended)
			return cut(t, err);
		k = t->n < n ? t->n : (size_t)n;
		take(t, k);
		n -= k;
	}
	return 0;
}

/* Headers are kept in memory: how many bytes an entry has of them is bounded. */
static int charge(struct tar *t, uint64_t n, struct err *err)
{
	if (n > t->limits->tar_headers || t->headers + n > t->limits->tar_headers)
		return err_set(err, ERR_bad_input,
			"the headers of a tar entry are larger than %u MiB",
			t->limits->tar_headers >> 20);
	t->headers += n;
	return 0;
}

static uint32_t padding_of(uint64_t n)
{
	return (uint32_t)(-n % TAR_BLOCK);
}

/* ---- headers of headers ---- */

/* The content of an extended header, behind the text; n is below its bound. */
static int read_text(struct tar *t, uint64_t n, struct err *err)
{
	uint8_t *dst;

	return tar_extended_room(&t->extended, (size_t)n, &dst, err) < 0 ||
			       read_bytes(t, dst, (size_t)n, err) < 0 ||
			       pass_over(t, padding_of(n), err) < 0
		       ? -1
		       : 0;
}

static int read_records(struct tar *t, uint64_t n, struct err *err)
{
	if (n > TAR_PAX_MAX)
		return err_set(err, ERR_bad_input, "a pax header is too large: more than %u MiB",
			TAR_PAX_MAX >> 20);
	return read_text(t, n, err) < 0 ? -1 : tar_extended_records(&t->extended, (size_t)n, err);
}

static int read_long(struct tar *t, uint64_t n, bool link, struct err *err)
{
	/* Its NUL, and some that are padding. */
	if (n > TAR_PATH_MAX + TAR_BLOCK)
		return err_set(
			err, ERR_bad_input, "a tar name is longer than %d bytes", TAR_PATH_MAX - 1);
	return read_text(t, n, err) < 0 ? -1
					: tar_extended_long(&t->extended, (size_t)n, link, err);
}

/* Whether the header is one about another; then it has been read. */
static int read_extended(struct tar *t, const struct tar_header *h, bool *ret_was, struct err *err)
{
	uint64_t n = (uint64_t)h->size;

	*ret_was = true;
	switch (h->type) {
	case 'x':
	case 'X': /* Solaris's */
		return charge(t, n, err) < 0 ? -1 : read_records(t, n, err);
	case 'L':
	case 'K':
		return charge(t, n, err) < 0 ? -1 : read_long(t, n, h->type == 'K', err);
	case 'g':
	case 'V': /* a label of GNU's */
		return charge(t, n, err) < 0 ? -1 : pass_over(t, n + padding_of(n), err);
	case 'M':
		return err_set(err, ERR_bad_input,
			"the tar archive is one of several volumes, of which an image has none");
	default:
		*ret_was = false;
		return 0;
	}
}

/* ---- entries ---- */

static void set_type(struct tar_entry *e, uint8_t type)
{
	static const enum tar_type types[] = { TAR_FILE, TAR_HARDLINK, TAR_SYMLINK, TAR_CHAR_DEVICE,
		TAR_BLOCK_DEVICE, TAR_DIRECTORY, TAR_FIFO };
	size_t n = strlen(e->name);

	if (type >= '1' && type <= '6')
		e->type = types[type - '0'];
	else if (type == 'D') /* a directory and what was in it, of GNU's */
		e->type = TAR_DIRECTORY;
	else /* of the oldest archives, directories, too */
		e->type = n > 0 && e->name[n - 1] == '/' ? TAR_DIRECTORY : TAR_FILE;
}

static int set_name(struct tar *t, const struct tar_header *h, struct err *err)
{
	const struct tar_extended *x = &t->extended;
	struct tar_entry *e = &t->entry;
	const char *name = h->name;

	if (tar_span_is(x->sparse_name))
		name = tar_span_text(x, x->sparse_name);
	else if (tar_span_is(x->path))
		name = tar_span_text(x, x->path);
	else if (tar_span_is(x->long_name))
		name = tar_span_text(x, x->long_name);
	if (name[0] == '\0')
		return err_set(err, ERR_bad_input, "a tar entry has no name");
	if (!str_copy(e->name, sizeof(e->name), name))
		return err_set(
			err, ERR_bad_input, "a tar name is longer than %d bytes", TAR_PATH_MAX - 1);
	set_type(e, h->type);
	return 0;
}

static int set_link(struct tar *t, const struct tar_header *h, struct err *err)
{
	const struct tar_extended *x = &t->extended;
	struct tar_entry *e = &t->entry;
	const char *link = h->link;

	if (tar_span_is(x->link))
		link = tar_span_text(x, x->link);
	else if (tar_span_is(x->long_link))
		link = tar_span_text(x, x->long_link);
	if (e->type != TAR_HARDLINK && e->type != TAR_SYMLINK)
		link = "";
	if (!str_copy(e->link, sizeof(e->link), link))
		return err_set(err, ERR_bad_input, "'%s': its link is longer than %d bytes",
			e->name, TAR_PATH_MAX - 1);
	return 0;
}

static int set_numbers(struct tar *t, const struct tar_header *h, struct err *err)
{
	const struct tar_extended *x = &t->extended;
	struct tar_entry *e = &t->entry;
	uint64_t uid = x->has_uid ? x->uid : (uint64_t)h->uid;
	uint64_t gid = x->has_gid ? x->gid : (uint64_t)h->gid;

	if (uid >= UINT32_MAX || gid >= UINT32_MAX)
		return err_set(err, ERR_bad_input, "'%s': its owner %lld:%lld is out of range",
			e->name, (long long)uid, (long long)gid);
	if (e->type == TAR_CHAR_DEVICE || e->type == TAR_BLOCK_DEVICE) {
		if ((uint64_t)h->major > 0xfff || (uint64_t)h->minor > 0xfffff)
			return err_set(err, ERR_bad_input,
				"'%s': the device %lld:%lld is none of Linux", e->name,
				(long long)h->major, (long long)h->minor);
		e->major = (uint32_t)h->major;
		e->minor = (uint32_t)h->minor;
	}
	e->mode = (uint32_t)h->mode & 07777;
	e->uid = (uint32_t)uid;
	e->gid = (uint32_t)gid;
	e->mtime = x->has_mtime ? x->mtime : h->mtime;
	e->mtime_ns = x->has_mtime ? x->mtime_ns : 0;
	return 0;
}

static int set_xattrs(struct tar *t, struct err *err)
{
	const struct tar_extended *x = &t->extended;
	struct tar_entry *e = &t->entry;

	e->xattrs = t->xattrs;
	for (uint32_t i = 0; i < x->n_xattrs; i++) {
		const char *name = tar_span_text(x, x->xattrs[i].name);
		const char *value = tar_span_text(x, x->xattrs[i].value);
		size_t size = x->xattrs[i].value.n;

		if (strlen(name) > XATTR_NAME)
			return err_set(err, ERR_bad_input,
				"'%s': an xattr's name is longer than %d bytes", e->name,
				XATTR_NAME);
		if (size > t->limits->xattr)
			return err_set(err, ERR_bad_input,
				"'%s': the xattr '%s' is larger than %u bytes", e->name, name,
				t->limits->xattr);
		if (str_starts(name, "system.") && !tar_acl_is_valid(value, size))
			return err_set(err, ERR_bad_input, "'%s': the xattr '%s' is no ACL",
				e->name, name);
		t->xattrs[e->n_xattrs++] = (struct tar_xattr){ name, value, (uint32_t)size };
	}
	return 0;
}

static bool has_xattr(const struct tar_entry *e, const char *name)
{
	for (uint32_t i = 0; i < e->n_xattrs; i++)
		if (str_eq(e->xattrs[i].name, name))
			return true;
	return false;
}

/* ACLs that came as text, where none came as an xattr. */
static int set_acls(struct tar *t, struct err *err)
{
	static const char *const names[] = {
		"system.posix_acl_access",
		"system.posix_acl_default",
	};
	const struct tar_span texts[] = { t->extended.acl_access, t->extended.acl_default };
	struct tar_entry *e = &t->entry;

	for (int i = 0; i < 2; i++) {
		struct tar_acl *acl = &t->acls[i];

		if (!tar_span_is(texts[i]) || has_xattr(e, names[i]))
			continue;
		if (tar_acl_parse(tar_span_text(&t->extended, texts[i]), i == 0, acl, err) < 0)
			return err_wrap(err, "'%s'", e->name);
		if (i == 0)
			e->mode = (e->mode & ~0777U) | acl->mode;
		if (acl->size > 0)
			t->xattrs[e->n_xattrs++] =
				(struct tar_xattr){ names[i], acl->value, acl->size };
	}
	return 0;
}

/* ---- content ---- */

/* The blocks that go on with the map of an old GNU header. */
static int read_gnu_map(
	struct tar *t, const uint8_t *block, const struct tar_header *h, struct err *err)
{
	bool more = h->sparse_more;

	if (tar_header_segments(block, false, &t->own_map, err) < 0)
		return -1;
	while (more) {
		const uint8_t *p;

		if (charge(t, TAR_BLOCK, err) < 0 || read_block(t, &p, err) < 0)
			return -1;
		if (!p)
			return cut(t, err);
		more = tar_header_continues(p);
		if (tar_header_segments(p, true, &t->own_map, err) < 0)
			return -1;
	}
	t->entry.size = (uint64_t)h->sparse_size;
	return 0;
}

/* 1.0: lines of decimal numbers in front of the data, filled up to whole blocks: how many segments,
 * then offset and length of each. */
struct lines {
	uint64_t value, count, offset, numbers;
	bool digit;
};

static int take_line(struct tar *t, struct lines *l, struct err *err)
{
	if (!l->digit)
		return err_set(err, ERR_bad_input, "its sparse map has an empty line");
	l->numbers++;
	if (l->numbers == 1)
		l->count = l->value;
	else if (l->numbers % 2 == 0)
		l->offset = l->value;
	else if (tar_map_add(&t->own_map, l->offset, l->value, err) < 0)
		return -1;
	l->value = 0;
	l->digit = false;
	return 0;
}

static bool lines_end(const struct lines *l)
{
	return l->numbers > 0 && (l->numbers - 1) / 2 >= l->count;
}

static int read_map_block(struct tar *t, struct lines *l, struct err *err)
{
	const uint8_t *p;

	if (t->left < TAR_BLOCK)
		return err_set(err, ERR_bad_input, "its sparse map has no end");
	if (charge(t, TAR_BLOCK, err) < 0 || read_block(t, &p, err) < 0)
		return -1;
	if (!p)
		return cut(t, err);
	t->left -= TAR_BLOCK;
	for (size_t i = 0; i < TAR_BLOCK && !lines_end(l); i++) {
		if (p[i] == '\n') {
			if (take_line(t, l, err) < 0)
				return -1;
		} else if (p[i] < '0' || p[i] > '9' || ckd_mul(&l->value, l->value, 10U) ||
			   ckd_add(&l->value, l->value, (unsigned)(p[i] - '0'))) {
			return err_set(err, ERR_bad_input, "its sparse map is no list of numbers");
		} else {
			l->digit = true;
		}
	}
	return 0;
}

static int read_map(struct tar *t, struct err *err)
{
	struct lines l = { 0 };

	while (!lines_end(&l))
		if (read_map_block(t, &l, err) < 0)
			return -1;
	return 0;
}

static int set_map(struct tar *t, const uint8_t *block, const struct tar_header *h, struct err *err)
{
	struct tar_extended *x = &t->extended;
	struct tar_entry *e = &t->entry;

	tar_map_reset(&t->own_map);
	t->map = &t->own_map;
	if (h->type == 'S') {
		if (read_gnu_map(t, block, h, err) < 0)
			return -1;
	} else if (x->sparse_major == 1 && x->sparse_minor == 0 && x->has_sparse_size) {
		if (read_map(t, err) < 0)
			return -1;
	} else if (x->sparse_major == 0 && x->sparse_minor <= 1 && x->has_map &&
		   x->has_sparse_size && !x->has_offset) {
		t->map = &x->map;
	} else {
		return err_set(err, ERR_bad_input, "a sparse file of a form that GNU tar has not");
	}
	if (h->type != 'S')
		e->size = x->sparse_size;
	if (e->size > INT64_MAX)
		return err_set(err, ERR_bad_input, "its size is no size");
	return tar_map_check(t->map, e->size, t->left, err);
}

static bool is_sparse(const struct tar *t, const struct tar_header *h)
{
	const struct tar_extended *x = &t->extended;

	return h->type == 'S' || x->has_map || x->has_sparse_size || x->sparse_major != 0 ||
	       x->sparse_minor != 0;
}

/* How much of the stream is the entry's, and where in the file it goes. */
static int set_content(
	struct tar *t, const uint8_t *block, const struct tar_header *h, struct err *err)
{
	struct tar_entry *e = &t->entry;
	uint64_t size = t->extended.has_size ? t->extended.size : (uint64_t)h->size;

	if (size > INT64_MAX)
		return err_set(err, ERR_bad_input, "'%s': its size is no size", e->name);
	if (h->type < '1' || h->type > '6')
		t->left = size;
	t->padding = padding_of(t->left);
	t->segment = 0;
	t->done = 0;
	e->size = e->type == TAR_FILE ? size : 0;
	e->sparse = e->type == TAR_FILE && is_sparse(t, h);
	if (e->sparse && set_map(t, block, h, err) < 0)
		return err_wrap(err, "'%s'", e->name);
	e->stored = t->left;
	e->data_at = t->at;
	return 0;
}

static int set_entry(
	struct tar *t, const uint8_t *block, const struct tar_header *h, struct err *err)
{
	struct tar_entry *e = &t->entry;

	memset(e, 0, offsetof(struct tar_entry, name));
	memset((uint8_t *)e + offsetof(struct tar_entry, mode), 0,
		sizeof(*e) - offsetof(struct tar_entry, mode));
	return set_name(t, h, err) < 0 || set_link(t, h, err) < 0 || set_numbers(t, h, err) < 0 ||
			       set_xattrs(t, err) < 0 || set_acls(t, err) < 0 ||
			       set_content(t, block, h, err) < 0
		       ? -1
		       : 0;
}

/* ---- the reader ---- */

static int next_header(
	struct tar *t, const uint8_t **ret_block, struct tar_header *h, struct err *err)
{
	const char *why;

	if (charge(t, TAR_BLOCK, err) < 0 || read_block(t, ret_block, err) < 0)
		return -1;
	t->marked = *ret_block && tar_header_is_end(*ret_block);
	t->ended = !*ret_block || t->marked;
	if (t->ended && t->headers > TAR_BLOCK && t->extended.text && t->extended.n > 0)
		return err_set(err, ERR_bad_input,
			"the tar archive ends behind an extended header, without its entry");
	if (t->ended)
		return 0;
	if (!tar_header_decode(*ret_block, h, &why))
		return t->begun ? err_set(err, ERR_bad_input,
					  "the tar archive: damaged at byte %llu: %s",
					  (unsigned long long)(t->at - TAR_BLOCK), why)
				: err_set(err, ERR_bad_input, "this is no tar archive: %s", why);
	t->begun = true;
	return 0;
}

int tar_next(struct tar *t, const struct tar_entry **ret, struct err *err)
{
	struct tar_header h;
	const uint8_t *block;
	bool more = true;

	*ret = NULL;
	if (t->ended)
		return 0;
	if (pass_over(t, t->left, err) < 0 || pass_over(t, t->padding, err) < 0)
		return -1;
	t->left = t->padding = 0;
	t->headers = 0;
	tar_extended_reset(&t->extended);
	while (more) {
		if (next_header(t, &block, &h, err) < 0)
			return -1;
		if (t->ended)
			return 0;
		if (read_extended(t, &h, &more, err) < 0)
			return -1;
	}
	if (set_entry(t, block, &h, err) < 0)
		return -1;
	*ret = &t->entry;
	return 0;
}

int tar_data(
	struct tar *t, uint64_t *ret_offset, const uint8_t **ret_p, size_t *ret_n, struct err *err)
{
	uint64_t room = t->left;

	*ret_n = 0;
	*ret_offset = t->done;
	if (t->left == 0)
		return 0;
	if (t->entry.sparse) {
		const struct tar_segment *s = &t->map->list[t->segment];

		*ret_offset = s->offset + t->done;
		room = s->length - t->done;
	}
	if (fill(t, err) < 0)
		return -1;
	if (t->flow_ended)
		return cut(t, err);
	*ret_p = t->p;
	*ret_n = t->n < room ? t->n : (size_t)room;
	take(t, *ret_n);
	t->left -= *ret_n;
	t->done += *ret_n;
	if (t->entry.sparse && *ret_n == room) {
		t->segment++;
		t->done = 0;
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
	} while (!t->flow_ended);
	return 0;
}
