/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tar streams: where they end, what bounds them, and what libarchive makes of odd ones. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "banger-imaged/tar.h"
#include "common/fd.h"
#include "common/str.h"

#define BLOCK 512

static const struct image_limits limits = IMAGE_LIMITS_DEFAULT;

/* An archive being made. */
struct made {
	uint8_t *p;
	size_t n;
};

static uint8_t *put(struct made *m, const void *p, size_t n)
{
	size_t padded = (n + BLOCK - 1) / BLOCK * BLOCK;
	uint8_t *at;

	m->p = realloc(m->p, m->n + padded + 1);
	assert_non_null(m->p);
	at = memset(m->p + m->n, 0, padded);
	if (p)
		memcpy(at, p, n);
	m->n += padded;
	return at;
}

static void put_sum(uint8_t *h)
{
	unsigned sum = 0;

	memset(h + 148, ' ', 8);
	for (unsigned i = 0; i < BLOCK; i++)
		sum += h[i];
	snprintf((char *)h + 148, 8, "%06o", sum);
}

static uint8_t *put_header(struct made *m, char type, const char *name, size_t size, bool gnu)
{
	uint8_t *h = put(m, NULL, BLOCK);

	memcpy(h, name, strlen(name));
	memcpy(h + 100, "0000644", 8);
	memcpy(h + 108, "0000000", 8);
	memcpy(h + 116, "0000000", 8);
	snprintf((char *)h + 124, 12, "%011o", (unsigned)size);
	memcpy(h + 136, "00000000007", 12);
	h[156] = (uint8_t)type;
	memcpy(h + 257,
		gnu ? "ustar  "
		    : "ustar\0"
		      "00",
		8);
	put_sum(h);
	return h;
}

static void put_file(struct made *m, const char *name, const char *data)
{
	put_header(m, '0', name, strlen(data), false);
	put(m, data, strlen(data));
}

/* Records for a pax header, which put_records() makes of them. */
static void add_record(struct made *m, const char *key, const void *value, size_t n)
{
	size_t len = strlen(key) + n + 3, digits = 1;
	int head;

	while ((size_t)snprintf(NULL, 0, "%zu", len + digits) > digits)
		digits++;
	len += digits;
	m->p = realloc(m->p, m->n + len + 1);
	assert_non_null(m->p);
	head = snprintf((char *)m->p + m->n, len + 1, "%zu %s=", len, key);
	memcpy(m->p + m->n + head, value, n);
	m->n += len;
	m->p[m->n - 1] = '\n';
}

static void put_records(struct made *m, struct made *records)
{
	put_header(m, 'x', "pax", records->n, false);
	put(m, records->p, records->n);
	free(records->p);
	*records = (struct made){ 0 };
}

static void put_pax(struct made *m, const char *key, const void *value, size_t n)
{
	struct made records = { 0 };

	add_record(&records, key, value, n);
	put_records(m, &records);
}

static void put_end(struct made *m)
{
	put(m, NULL, 2 * (size_t)BLOCK);
}

/* What came of an archive: its last entry's content, and how it ended. */
struct result {
	int r;
	struct err err;
	unsigned entries;
	bool marked;
	struct tar_entry last;
	char data[64];
	size_t n;
};

static int read_data(struct tar *t, struct result *x)
{
	const uint8_t *p;
	uint64_t at;
	size_t n = 0;

	x->n = 0;
	do {
		if (tar_data(t, &at, &p, &n, &x->err) < 0)
			return -1;
		for (size_t i = 0; i < n && x->n < sizeof(x->data); i++)
			x->data[x->n++] = (char)p[i];
	} while (n > 0);
	return 0;
}

static void read_flow(struct flow *f, bool data, struct result *x)
{
	_cleanup_(tar_closep) struct tar *t = NULL;
	const struct tar_entry *e;

	*x = (struct result){ .r = -1, .err = ERR_INIT };
	if (tar_open(f, &limits, &t, &x->err) < 0)
		return;
	for (;;) {
		if (tar_next(t, &e, &x->err) < 0)
			return;
		if (!e)
			break;
		x->entries++;
		x->last = *e;
		if (data && e->type == TAR_FILE && read_data(t, x) < 0)
			return;
	}
	x->marked = tar_has_end(t);
	x->r = tar_drain(t, &x->err);
}

static void read_made(const struct made *m, size_t n, struct result *x)
{
	/* On the heap, so that a sanitizer sees a byte read behind it. */
	uint8_t *copy = malloc(n ? n : 1);
	struct memory_flow flow;

	assert_non_null(copy);
	if (n > 0)
		memcpy(copy, m->p, n);
	memory_flow_init(&flow, copy, n);
	read_flow(&flow.flow, true, x);
	free(copy);
}

static void assert_refused(const struct made *m, const char *why)
{
	struct result x;

	read_made(m, m->n, &x);
	assert_int_equal(x.r, -1);
	assert_int_equal(x.err.code, ERR_bad_input);
	if (!strstr(x.err.msg, why))
		fail_msg("'%s' says nothing of '%s'", x.err.msg, why);
}

/* At a header's place the stream may end, but then nothing says that it is whole. */
static void each_cut_is_seen(void **state)
{
	struct made m = { 0 };
	struct result x;
	size_t end;

	put_pax(&m, "path", "one", 3);
	put_file(&m, "x", "content of one");
	put_header(&m, '5', "dir", 0, false);
	end = m.n;
	put_end(&m);
	for (size_t n = 0; n <= m.n; n++) {
		bool whole = n == 0 || n == end - BLOCK || n == end || n == end + BLOCK || n == m.n;

		read_made(&m, n, &x);
		/* libarchive looks for the second zero block, and takes what it finds. */
		if (n > end + BLOCK)
			whole = true;
		assert_int_equal(x.r, whole ? 0 : -1);
		if (whole)
			assert_int_equal(x.marked, n >= end + BLOCK);
		else
			assert_int_equal(x.err.code, ERR_bad_input);
	}
	free(m.p);
}

static void a_global_header_is_no_end(void **state)
{
	struct made m = { 0 };
	struct result x;

	put_file(&m, "x", "x");
	put_header(&m, 'g', "pax", 12, false);
	put(&m, "12 comment=\n", 12);
	read_made(&m, m.n, &x);
	assert_int_equal(x.r, 0);
	assert_int_equal(x.entries, 1);
	assert_false(x.marked);
	put_end(&m);
	read_made(&m, m.n, &x);
	assert_true(x.r == 0 && x.marked);
	free(m.p);
}

static void what_stands_behind_the_end_is_nobodys(void **state)
{
	struct made m = { 0 };
	struct result x;

	put_file(&m, "x", "x");
	put_end(&m);
	put_file(&m, "y", "y");
	put(&m, "garbage", 7);
	read_made(&m, m.n, &x);
	assert_true(x.r == 0 && x.marked);
	assert_int_equal(x.entries, 1);
	free(m.p);
}

/* The same in pieces of any size. */
struct pieces {
	struct flow flow;
	const uint8_t *p;
	size_t n, piece;
};

static int next_piece(struct flow *f, const uint8_t **ret_p, size_t *ret_n, struct err *err)
{
	struct pieces *s = (struct pieces *)f;
	size_t n = s->n < s->piece ? s->n : s->piece;

	*ret_p = s->p;
	*ret_n = n;
	s->p += n;
	s->n -= n;
	return 0;
}

static void pieces_of_any_size(void **state)
{
	static const size_t sizes[] = { 1, 7, 511, 512, 513, 1000 };
	struct made m = { 0 };
	struct result x;

	put_pax(&m, "path", "one", 3);
	put_file(&m, "x", "content of one");
	put_end(&m);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct pieces s = { { next_piece, NULL }, m.p, m.n, sizes[i] };

		read_flow(&s.flow, true, &x);
		assert_int_equal(x.r, 0);
		assert_true(x.marked);
		assert_string_equal(x.last.name, "one");
		assert_memory_equal(x.data, "content of one", x.n);
		assert_int_equal(x.n, 14);
	}
	free(m.p);
}

static int failing(struct flow *f, const uint8_t **ret_p, size_t *ret_n, struct err *err)
{
	if (((struct pieces *)f)->n == 0)
		return err_set(err, ERR_no_space, "the flow's own words");
	return next_piece(f, ret_p, ret_n, err);
}

static void a_flows_failure_is_told_as_it_is(void **state)
{
	struct made m = { 0 };
	struct result x;

	put_file(&m, "x", "content");
	for (size_t n = 0; n <= m.n; n += 256) {
		struct pieces s = { { failing, NULL }, m.p, n, 100 };

		read_flow(&s.flow, n % 512 == 0, &x);
		assert_int_equal(x.r, -1);
		assert_int_equal(x.err.code, ERR_no_space);
		assert_string_equal(x.err.msg, "the flow's own words");
	}
	free(m.p);
}

/* Passed over without being read, and found where the entry says; a lie about the size is seen. */
static void files_are_skipped_in(void **state)
{
	_cleanup_free_ struct file_flow *f = malloc(sizeof(*f));
	_cleanup_fd_ int fd = memfd_create("tar", MFD_CLOEXEC);
	_cleanup_free_ char *large = malloc(300001);
	struct made m = { 0 };
	struct result x;
	char back[4] = "";

	assert_true(f && large && fd >= 0);
	memset(large, 'x', 300000);
	large[300000] = '\0';
	put_file(&m, "large", large);
	put_file(&m, "small", "here");
	put_end(&m);
	assert_int_equal(write(fd, m.p, m.n), m.n);
	file_flow_init(f, fd, 0, m.n);
	read_flow(&f->flow, false, &x);
	assert_int_equal(x.r, 0);
	assert_int_equal(x.entries, 2);
	assert_true(x.marked);
	assert_int_equal(pread(fd, back, 4, (off_t)x.last.data_at), 4);
	assert_memory_equal(back, "here", 4);
	file_flow_init(f, fd, 0, 200000);
	read_flow(&f->flow, false, &x);
	assert_int_equal(x.r, -1);
	assert_int_equal(x.err.code, ERR_bad_input);
	free(m.p);
}

static void names_are_bytes_in_any_locale(void **state)
{
	static const char *const names[] = { "caf\xc3\xa9", "cafe\xcc\x81", "caf\xe9", "\xff/\xfe",
		"\xe2\x84\xaa", "\xed\xa0\xbd\xed\xb8\x80", "a\xc0\xaf", "\xe2\x82" };
	static const char *const locales[] = { "C", "C.UTF-8" };
	struct result x;

	for (size_t k = 0; k < ARRAY_SIZE(locales); k++) {
		assert_non_null(setlocale(LC_CTYPE, locales[k]));
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			struct made m = { 0 }, records = { 0 };

			add_record(&records, "path", names[i], strlen(names[i]));
			add_record(&records, "linkpath", names[i], strlen(names[i]));
			put_records(&m, &records);
			memcpy(put_header(&m, '2', "x", 0, false) + 157, "y", 1);
			put_sum(m.p + m.n - BLOCK);
			read_made(&m, m.n, &x);
			assert_int_equal(x.r, 0);
			assert_string_equal(x.last.name, names[i]);
			assert_string_equal(x.last.link, names[i]);
			free(m.p);
			m = (struct made){ 0 };
			put_file(&m, names[i], "x");
			read_made(&m, m.n, &x);
			assert_string_equal(x.last.name, names[i]);
			free(m.p);
		}
	}
	setlocale(LC_CTYPE, "C");
}

/* Two of these are libarchive's, not the format's: see tar.h. */
static void times(void **state)
{
	static const struct {
		const char *text;
		int64_t s;
		uint32_t ns;
	} rows[] = {
		{ "0", 0, 0 },
		{ "1.5", 1, 500000000 },
		{ "-1.5", -2, 500000000 },
		{ "-1", -1, 0 },
		{ "-1.0", -1, 0 },
		{ "-2.999999999", -3, 1 },
		{ "1.1234567891", 1, 123456789 },
		{ "5000000000.5", 5000000000, 500000000 },
		{ "-0.25", 0, 250000000 },
		{ "soon", 0, 0 },
	};
	struct result x;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct made m = { 0 };

		put_pax(&m, "mtime", rows[i].text, strlen(rows[i].text));
		put_file(&m, "x", "x");
		read_made(&m, m.n, &x);
		assert_int_equal(x.r, 0);
		assert_true(x.last.mtime == rows[i].s);
		assert_int_equal(x.last.mtime_ns, rows[i].ns);
		free(m.p);
	}
}

static void xattrs(void **state)
{
	_cleanup_free_ char *value = calloc(1, limits.xattr + 1);
	struct made m = { 0 }, records = { 0 };
	struct result x;
	char key[64];

	assert_non_null(value);
	add_record(&records, "SCHILY.xattr.user.a", "1", 1);
	add_record(&records, "SCHILY.xattr.com.apple.x", "1", 1);
	add_record(&records, "SCHILY.xattr.user.big", value, limits.xattr);
	put_records(&m, &records);
	put_file(&m, "x", "x");
	read_made(&m, m.n, &x);
	assert_int_equal(x.r, 0);
	assert_int_equal(x.last.n_xattrs, 2);
	put_pax(&m, "SCHILY.xattr.user.big", value, limits.xattr + 1);
	put_file(&m, "x", "x");
	assert_refused(&m, "larger than 65536");
	m.n = 0;
	for (int i = 0; i < 257; i++) {
		str_format(key, sizeof(key), "SCHILY.xattr.user.%d", i);
		add_record(&records, key, "1", 1);
	}
	put_records(&m, &records);
	put_file(&m, "x", "x");
	assert_refused(&m, "more than 256");
	free(m.p);
}

static void the_last_xattr_of_a_name_counts(void **state)
{
	_cleanup_(tar_closep) struct tar *t = NULL;
	struct made m = { 0 }, records = { 0 };
	const struct tar_entry *e = NULL;
	struct err err = ERR_INIT;
	struct memory_flow flow;

	add_record(&records, "SCHILY.xattr.user.a", "1", 1);
	add_record(&records, "SCHILY.xattr.user.a", "2", 1);
	put_records(&m, &records);
	put_file(&m, "x", "x");
	memory_flow_init(&flow, m.p, m.n);
	assert_int_equal(tar_open(&flow.flow, &limits, &t, &err), 0);
	assert_int_equal(tar_next(t, &e, &err), 0);
	assert_int_equal(e->n_xattrs, 1);
	assert_string_equal(e->xattrs[0].name, "user.a");
	assert_int_equal(e->xattrs[0].size, 1);
	assert_memory_equal(e->xattrs[0].value, "2", 1);
	free(m.p);
}

static void acls(void **state)
{
	static const char *const bad[] = { "user::rw-,group::r--,other::r-x,x::r--",
		"user::rw-,user:5:rw-,group::r--,other::r--",
		"user::rw-,user:lisa:rw-,group::r--,mask::rw-,other::r--",
		"user::rw-,user:4294967295:rw-,group::r--,mask::rw-,other::r--",
		"user::rw-,other:5:r--,group::r--,mask::rw-" };
	static const uint8_t want[] = { 2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 7,
		0, 0, 0, 2, 0, 6, 0, 0xe8, 3, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255, 16, 0, 6, 0,
		255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255 };
	static const char text[] = "user::rw-,user:lisa:rw-:1000,user:7:r--,group::r--,mask::rw-\n"
				   "other:---\n";
	static const char *const keys[] = { "SCHILY.acl.access", "SCHILY.acl.default" };
	struct memory_flow flow;
	struct result x;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		_cleanup_(tar_closep) struct tar *t = NULL;
		const struct tar_entry *e = NULL;
		struct err err = ERR_INIT;
		struct made m = { 0 };

		put_pax(&m, keys[i], text, strlen(text));
		put_file(&m, "x", "x");
		memory_flow_init(&flow, m.p, m.n);
		assert_int_equal(tar_open(&flow.flow, &limits, &t, &err), 0);
		assert_int_equal(tar_next(t, &e, &err), 0);
		assert_int_equal(e->n_xattrs, 1);
		assert_string_equal(e->xattrs[0].name,
			i == 0 ? "system.posix_acl_access" : "system.posix_acl_default");
		assert_int_equal(e->xattrs[0].size, sizeof(want));
		assert_memory_equal(e->xattrs[0].value, want, sizeof(want));
		assert_int_equal(e->mode, i == 0 ? 0660 : 0644);
		free(m.p);
		m = (struct made){ 0 };
		put_pax(&m, keys[i], "u::rwx,g::r-x,o::r-x", 20);
		put_file(&m, "x", "x");
		read_made(&m, m.n, &x);
		assert_int_equal(x.r, 0);
		assert_int_equal(x.last.n_xattrs, i);
		for (size_t k = 0; k < ARRAY_SIZE(bad); k++) {
			m.n = 0;
			put_pax(&m, keys[i], bad[k], strlen(bad[k]));
			put_file(&m, "x", "x");
			assert_refused(&m, k == 0 || k == 4 ? "acl" : "an ACL");
		}
		free(m.p);
	}
}

/* NFSv4's, which Linux has not: passed over, unless there are too many. */
static void foreign_acls(void **state)
{
	static const char one[] = "user:5:r-------------:-------:allow,";
	struct made m = { 0 };
	char text[129 * sizeof(one)] = "";
	struct result x;

	put_pax(&m, "SCHILY.acl.ace", one, strlen(one) - 1);
	put_file(&m, "x", "x");
	read_made(&m, m.n, &x);
	assert_int_equal(x.r, 0);
	assert_int_equal(x.last.n_xattrs, 0);
	for (int i = 0; i < 129; i++)
		strcat(text, one);
	put_pax(&m, "SCHILY.acl.ace", text, strlen(text) - 1);
	put_file(&m, "x", "x");
	assert_refused(&m, "more than 128");
	free(m.p);
}

static void bad_archives(void **state)
{
	static const struct {
		const char *key, *value, *why;
	} rows[] = {
		{ "uid", "4294967295", "owner" },
		{ "gid", "-1", "owner" },
		{ "size", "-1", "negative" },
		{ "GNU.sparse.major", "7", "sparse" },
	};
	_cleanup_free_ char *huge = calloc(1, (1 << 20) + 1);
	struct made m = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		m.n = 0;
		put_pax(&m, rows[i].key, rows[i].value, strlen(rows[i].value));
		put_file(&m, "x", "x");
		assert_refused(&m, rows[i].why);
	}
	m.n = 0;
	put_header(&m, 'x', "pax", 3, false);
	put(&m, "9 x", 3);
	put_file(&m, "x", "x");
	assert_refused(&m, "malformed");
	m.n = 0;
	put_file(&m, "", "x");
	assert_refused(&m, "no name");
	m.n = 0;
	put_file(&m, "x", "x");
	put_header(&m, '0', "y", 0, false)[0] = 'z';
	assert_refused(&m, "Damaged");
	m.n = 0;
	assert_non_null(huge);
	put_pax(&m, "comment", huge, 1 << 20);
	assert_refused(&m, "too large");
	m.n = 0;
	for (int i = 0; i < 40; i++)
		put_header(&m, 'g', "pax", 0, false);
	put_file(&m, "x", "x");
	assert_refused(&m, "Too many");
	free(m.p);
}

/* A map that is no map of the data. */
static void sparse_maps(void **state)
{
	static const struct {
		const char *map, *why; /* NULL: it is right */
	} rows[] = {
		{ "0,2,50,2", NULL },
		{ "96,4", NULL },
		{ "50,100", "sparse" },
		{ "50,2,5,2", "sparse" },
		{ "0,3,2,1", "sparse" },
		{ "0,2", "sparse" },
		{ "0,2,50,9", "sparse" },
	};
	struct result x;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct made m = { 0 }, records = { 0 };

		add_record(&records, "GNU.sparse.size", "100", 3);
		add_record(&records, "GNU.sparse.map", rows[i].map, strlen(rows[i].map));
		put_records(&m, &records);
		put_file(&m, "x", "data");
		put_end(&m);
		if (rows[i].why) {
			assert_refused(&m, rows[i].why);
		} else {
			read_made(&m, m.n, &x);
			assert_int_equal(x.r, 0);
			assert_true(x.last.sparse && x.last.size == 100);
		}
		free(m.p);
	}
}

/* An old GNU header with extensions that never end. */
static int endless_next(struct flow *f, const uint8_t **ret_p, size_t *ret_n, struct err *err)
{
	struct pieces *s = (struct pieces *)f;

	*ret_p = s->p;
	*ret_n = BLOCK;
	if (s->n > 0)
		s->p += BLOCK;
	s->n = 0;
	s->piece++;
	return 0;
}

static void a_sparse_map_without_end(void **state)
{
	struct made m = { 0 };
	struct pieces s = { { endless_next, NULL }, NULL, 1, 0 };
	struct result x;
	uint8_t *h = put_header(&m, 'S', "x", 0, true);

	memcpy(h + 386,
		"00000000001\0"
		"00000000000",
		24);
	h[482] = 1;
	memcpy(h + 483, "00000001000", 12);
	put_sum(h);
	h = put(&m, NULL, BLOCK);
	for (int i = 0; i < 21; i++)
		memcpy(h + i * 24,
			"00000000001\0"
			"00000000000",
			24);
	h[504] = 1;
	s.p = m.p;
	read_flow(&s.flow, true, &x);
	assert_int_equal(x.r, -1);
	assert_int_equal(x.err.code, ERR_bad_input);
	assert_non_null(strstr(x.err.msg, "larger than 4 MiB"));
	assert_true(s.piece < (limits.tar_headers + (1 << 20)) / BLOCK);
	free(m.p);
}

/* libarchive ends a name at a NUL; what is left is what is checked. */
static void a_name_ends_at_a_nul(void **state)
{
	struct made m = { 0 };
	struct result x;

	put_pax(&m, "path", "a\0b", 3);
	put_file(&m, "x", "x");
	read_made(&m, m.n, &x);
	assert_int_equal(x.r, 0);
	assert_string_equal(x.last.name, "a");
	free(m.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_cut_is_seen),
		cmocka_unit_test(a_global_header_is_no_end),
		cmocka_unit_test(what_stands_behind_the_end_is_nobodys),
		cmocka_unit_test(pieces_of_any_size),
		cmocka_unit_test(a_flows_failure_is_told_as_it_is),
		cmocka_unit_test(files_are_skipped_in),
		cmocka_unit_test(names_are_bytes_in_any_locale),
		cmocka_unit_test(times),
		cmocka_unit_test(xattrs),
		cmocka_unit_test(the_last_xattr_of_a_name_counts),
		cmocka_unit_test(acls),
		cmocka_unit_test(foreign_acls),
		cmocka_unit_test(bad_archives),
		cmocka_unit_test(sparse_maps),
		cmocka_unit_test(a_sparse_map_without_end),
		cmocka_unit_test(a_name_ends_at_a_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
