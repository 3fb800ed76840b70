/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/codec.h"

#include <stdio.h>
#include <string.h>

#include "common/fd.h"
#include "common/str.h"

struct writer {
	uint8_t *p;
	size_t cap, len;
	int *fds;
	size_t n_fds;
};

struct reader {
	const uint8_t *p;
	size_t len, at;
	int fds[FRAME_FDS];
	size_t n_fds, next_fd;
};

static bool put_int(struct writer *w, uint64_t v, size_t size)
{
	if (size > w->cap - w->len)
		return false;
	for (size_t i = 0; i < size; i++)
		w->p[w->len++] = (uint8_t)(v >> (8 * i));
	return true;
}

static bool put_raw(struct writer *w, const void *p, size_t n)
{
	if (n > w->cap - w->len)
		return false;
	if (n > 0)
		memcpy(w->p + w->len, p, n);
	w->len += n;
	return true;
}

static bool get_int(struct reader *r, uint64_t *v, size_t size)
{
	uint64_t x = 0;

	if (size > r->len - r->at)
		return false;
	for (size_t i = 0; i < size; i++)
		x |= (uint64_t)r->p[r->at++] << (8 * i);
	*v = x;
	return true;
}

static const void *get_raw(struct reader *r, size_t n)
{
	const void *p = r->p + r->at;

	if (n > r->len - r->at)
		return NULL;
	r->at += n;
	return p;
}

/* Store and load an integer field of 1, 2, 4 or 8 bytes. */
static void store(void *dst, uint64_t v, size_t size)
{
	uint8_t a = (uint8_t)v;
	uint16_t b = (uint16_t)v;
	uint32_t c = (uint32_t)v;

	if (size == 1)
		memcpy(dst, &a, 1);
	else if (size == 2)
		memcpy(dst, &b, 2);
	else if (size == 4)
		memcpy(dst, &c, 4);
	else
		memcpy(dst, &v, 8);
}

static uint64_t load(const void *src, size_t size)
{
	uint8_t a;
	uint16_t b;
	uint32_t c;
	uint64_t d;

	if (size == 1)
		return memcpy(&a, src, 1), a;
	if (size == 2)
		return memcpy(&b, src, 2), b;
	if (size == 4)
		return memcpy(&c, src, 4), c;
	return memcpy(&d, src, 8), d;
}

enum shape { SHAPE_INT, SHAPE_ENUM, SHAPE_STRING, SHAPE_RAW, SHAPE_BYTES, SHAPE_STRV, SHAPE_FD };

/* What each type is: its shape, its bytes on the wire, and the bounds of its value. `size` of a
 * string is the longest text without NUL. */
static const struct type_info {
	const char *name;
	enum shape shape;
	size_t size;
	uint64_t min, max;
} types[FT__count] = {
	[FT_u8] = { "u8", SHAPE_INT, 1, 0, UINT8_MAX },
	[FT_u16] = { "u16", SHAPE_INT, 2, 0, UINT16_MAX },
	[FT_u32] = { "u32", SHAPE_INT, 4, 0, UINT32_MAX },
	[FT_u64] = { "u64", SHAPE_INT, 8, 0, UINT64_MAX },
	[FT_boolean] = { "boolean", SHAPE_INT, 1, 0, 1 },
	[FT_vm_id] = { "vm_id", SHAPE_RAW, VM_ID_LEN, 0, 0 },
	[FT_vm_name] = { "vm_name", SHAPE_STRING, VM_NAME_MAX, 0, 0 },
	[FT_digest] = { "digest", SHAPE_STRING, DIGEST_MAX, 0, 0 },
	[FT_mac] = { "mac", SHAPE_RAW, 6, 0, 0 },
	[FT_ipv4] = { "ipv4", SHAPE_INT, 4, 0, UINT32_MAX },
	[FT_text] = { "text", SHAPE_STRING, TEXT_MAX, 0, 0 },
	[FT_bytes] = { "bytes", SHAPE_BYTES, 0, 0, 0 },
	[FT_strv] = { "strv", SHAPE_STRV, 0, 0, 0 },
	[FT_fd] = { "fd", SHAPE_FD, 0, 0, 0 },
	[FT_fd_opt] = { "fd_opt", SHAPE_FD, 1, 0, 0 },
#define RANGED(t, ctype, min, max) [FT_##t] = { #t, SHAPE_INT, sizeof(CT_##ctype), min, max },
#include "common/proto/ranges.tbl.h"
#define ENUM(e) [FT_##e] = { #e, SHAPE_ENUM, 1, 0, e##__count - 1 },
#include "common/proto/enums.tbl.h"
};

const char *field_type_name(enum field_type t)
{
	return (unsigned)t < FT__count ? types[t].name : "?";
}

static bool put_string(struct writer *w, const struct type_info *t, const char *s)
{
	size_t n = strnlen(s, t->size + 1);

	return n <= t->size && put_int(w, n, 2) && put_raw(w, s, n);
}

static bool put_bytes(struct writer *w, const void *p, uint32_t n)
{
	return put_int(w, n, 4) && put_raw(w, p, n);
}

static bool put_fd(struct writer *w, const struct type_info *t, int fd)
{
	if (t->size == 1 && !put_int(w, fd >= 0, 1))
		return false;
	if (fd < 0)
		return t->size == 1;
	if (w->n_fds == FRAME_FDS)
		return false;
	w->fds[w->n_fds++] = fd;
	return true;
}

static bool put_number(struct writer *w, const struct type_info *t, const void *src)
{
	uint64_t v = load(src, t->shape == SHAPE_ENUM ? sizeof(enum accel) : t->size);

	return v >= t->min && v <= t->max && put_int(w, v, t->size);
}

static bool put_field(struct writer *w, enum field_type type, const void *src)
{
	const struct type_info *t = &types[type];
	const bytes *b = src;
	const strv *v = src;
	strv again;

	switch (t->shape) {
	case SHAPE_INT:
	case SHAPE_ENUM:
		return put_number(w, t, src);
	case SHAPE_STRING:
		return put_string(w, t, src);
	case SHAPE_RAW:
		return put_raw(w, src, t->size);
	case SHAPE_BYTES:
		return put_bytes(w, b->p, b->n);
	case SHAPE_STRV:
		return strv_parse(v->p, v->n, &again) && put_bytes(w, v->p, v->n);
	case SHAPE_FD:
		return put_fd(w, t, *(const int *)src);
	}
	return false;
}

/* A string of a validated kind, through its one parser; empty stands for "none" in the struct. */
static bool get_string(struct reader *r, enum field_type type, void *dst)
{
	char s[TEXT_MAX + 1];
	uint64_t n;
	const char *p;

	if (!get_int(r, &n, 2) || n > types[type].size || !(p = get_raw(r, n)))
		return false;
	if (memchr(p, '\0', n))
		return false;
	memcpy(s, p, n);
	s[n] = '\0';
	if (type == FT_vm_name)
		return vm_name_parse(s, dst);
	if (type == FT_digest)
		return n == 0 || digest_parse(s, dst);
	return text_parse(s, dst);
}

static bool get_raw_field(struct reader *r, enum field_type type, void *dst)
{
	const char *p = get_raw(r, types[type].size);
	char s[VM_ID_LEN + 1] = "";

	if (!p)
		return false;
	if (type == FT_mac)
		return mac_parse_bytes((const uint8_t *)p, dst);
	memcpy(s, p, VM_ID_LEN);
	return vm_id_parse(s, dst);
}

static bool get_bytes(struct reader *r, enum field_type type, void *dst)
{
	uint64_t n;
	const char *p;
	bytes *b = dst;

	if (!get_int(r, &n, 4) || !(p = get_raw(r, n)))
		return false;
	if (type == FT_strv)
		return strv_parse(p, (uint32_t)n, dst);
	b->p = p;
	b->n = (uint32_t)n;
	return true;
}

static bool get_fd(struct reader *r, const struct type_info *t, int *dst)
{
	uint64_t present = 1;

	*dst = -1;
	if (t->size == 1 && (!get_int(r, &present, 1) || present > 1))
		return false;
	if (!present)
		return true;
	if (r->next_fd == r->n_fds)
		return false;
	*dst = r->fds[r->next_fd++];
	return true;
}

static bool get_number(struct reader *r, const struct type_info *t, void *dst)
{
	uint64_t v;

	if (!get_int(r, &v, t->size) || v < t->min || v > t->max)
		return false;
	store(dst, v, t->shape == SHAPE_ENUM ? sizeof(enum accel) : t->size);
	return true;
}

static bool get_field(struct reader *r, enum field_type type, void *dst)
{
	const struct type_info *t = &types[type];

	switch (t->shape) {
	case SHAPE_INT:
	case SHAPE_ENUM:
		return get_number(r, t, dst);
	case SHAPE_STRING:
		return get_string(r, type, dst);
	case SHAPE_RAW:
		return get_raw_field(r, type, dst);
	case SHAPE_BYTES:
	case SHAPE_STRV:
		return get_bytes(r, type, dst);
	case SHAPE_FD:
		return get_fd(r, t, dst);
	}
	return false;
}

static void put_header(uint8_t *p, const struct header *h)
{
	struct writer w = { .p = p, .cap = FRAME_HEADER };

	put_int(&w, h->length, 4);
	put_int(&w, h->message, 2);
	put_int(&w, h->kind, 1);
	put_int(&w, h->n_fds, 1);
	put_int(&w, h->seq, 4);
	put_int(&w, 0, 4);
	put_int(&w, h->op, 8);
}

static enum field_dir dir_of(enum frame_kind kind)
{
	return kind == FRAME_REPLY ? DIR_OUT : DIR_IN;
}

int codec_encode(const struct protocol *p, uint16_t msg, enum frame_kind kind, uint32_t seq,
	uint64_t op, const void *st, void *buf, size_t cap, size_t *ret_len, int *fds,
	size_t *ret_n_fds, struct err *err)
{
	const struct message *m = &p->messages[msg];
	struct writer w = {
		.p = buf, .cap = cap < FRAME_MAX ? cap : FRAME_MAX, .len = FRAME_HEADER, .fds = fds
	};
	struct header h = { .message = msg, .kind = kind, .seq = seq, .op = op };

	if (cap < FRAME_HEADER)
		return err_set(err, ERR_bad_request, "no room for a %s message", m->name);
	for (size_t i = 0; i < m->n_fields; i++) {
		const struct field *f = &m->fields[i];

		if (f->dir != dir_of(kind))
			continue;
		if (!put_field(&w, f->type, (const char *)st + f->offset))
			return err_set(err, ERR_bad_request,
				"%s: '%s' is not a valid %s, or too large", m->name, f->name,
				types[f->type].name);
	}
	h.length = (uint32_t)w.len;
	h.n_fds = (uint8_t)w.n_fds;
	put_header(buf, &h);
	*ret_len = w.len;
	if (ret_n_fds)
		*ret_n_fds = w.n_fds;
	return 0;
}

int codec_encode_error(uint16_t msg, uint32_t seq, uint64_t op, const struct err *e, void *buf,
	size_t cap, size_t *ret_len, struct err *err)
{
	struct writer w = { .p = buf, .cap = cap, .len = FRAME_HEADER };
	struct header h = { .message = msg, .kind = FRAME_ERROR, .seq = seq, .op = op };
	char clean[ERR_MSG_MAX];

	snprintf(clean, sizeof(clean), "%s", e->msg);
	str_sanitize(clean);
	if (cap < FRAME_HEADER || !put_int(&w, e->code, 2) || !put_int(&w, (uint32_t)e->sys, 4) ||
		!put_string(&w, &types[FT_text], clean))
		return err_set(err, ERR_operation_failed, "no room for an error message");
	h.length = (uint32_t)w.len;
	put_header(buf, &h);
	*ret_len = w.len;
	return 0;
}

int codec_header(
	const struct protocol *p, const void *buf, size_t len, struct header *ret, struct err *err)
{
	struct reader r = { .p = buf, .len = len };
	uint64_t length, msg, kind, n_fds, seq, zero, op;

	if (!get_int(&r, &length, 4) || !get_int(&r, &msg, 2) || !get_int(&r, &kind, 1) ||
		!get_int(&r, &n_fds, 1) || !get_int(&r, &seq, 4) || !get_int(&r, &zero, 4) ||
		!get_int(&r, &op, 8))
		return err_set(
			err, ERR_protocol, "%s: a frame of %zu bytes is too short", p->name, len);
	if (length < FRAME_HEADER || length > FRAME_MAX || msg >= p->n_messages ||
		kind > FRAME_NOTICE || n_fds > FRAME_FDS || zero != 0)
		return err_set(err, ERR_protocol, "%s: a frame's header is not valid", p->name);
	*ret = (struct header){ (uint32_t)length, (uint16_t)msg, (enum frame_kind)kind,
		(uint8_t)n_fds, (uint32_t)seq, op };
	return 0;
}

int codec_decode(const struct protocol *p, const struct header *h, const void *buf, int *fds,
	size_t n_fds, void *st, struct err *err)
{
	const struct message *m = &p->messages[h->message];
	enum field_dir dir = dir_of(h->kind);
	struct reader r = { .p = buf, .len = h->length, .at = FRAME_HEADER, .n_fds = n_fds };

	if (n_fds > FRAME_FDS || n_fds != h->n_fds || h->kind == FRAME_ERROR)
		return err_set(
			err, ERR_protocol, "%s: %s came with %zu fds", p->name, m->name, n_fds);
	if (n_fds > 0)
		memcpy(r.fds, fds, n_fds * sizeof(fds[0]));
	memset(st, 0, dir == DIR_IN ? m->in_size : m->out_size);
	codec_fds_init(m, dir, st);
	for (size_t i = 0; i < m->n_fields; i++) {
		const struct field *f = &m->fields[i];

		if (f->dir != dir)
			continue;
		if (!get_field(&r, f->type, (char *)st + f->offset)) {
			codec_fds_init(m, dir, st);
			return err_set(err, ERR_protocol, "%s: %s: '%s' is not a valid %s", p->name,
				m->name, f->name, types[f->type].name);
		}
	}
	if (r.at != r.len || r.next_fd != n_fds) {
		codec_fds_init(m, dir, st);
		return err_set(
			err, ERR_protocol, "%s: %s has bytes or fds too many", p->name, m->name);
	}
	for (size_t i = 0; i < n_fds; i++)
		fds[i] = -1;
	return 0;
}

int codec_decode_error(const struct header *h, const void *buf, struct err *ret, struct err *err)
{
	struct reader r = { .p = buf, .len = h->length, .at = FRAME_HEADER };
	uint64_t code, sys;
	text t = { 0 };

	if (!get_int(&r, &code, 2) || !get_int(&r, &sys, 4) || !get_string(&r, FT_text, &t) ||
		r.at != r.len || code == ERR_none || code >= ERR__count || sys > 4095)
		return err_set(err, ERR_protocol, "an error frame is malformed");
	ret->code = (enum err_code)code;
	ret->sys = (int)sys;
	str_copy(ret->msg, sizeof(ret->msg), t.s);
	return 0;
}

void codec_fds_init(const struct message *m, enum field_dir dir, void *st)
{
	for (size_t i = 0; i < m->n_fields; i++)
		if (m->fields[i].dir == dir && types[m->fields[i].type].shape == SHAPE_FD)
			*(int *)((char *)st + m->fields[i].offset) = -1;
}

void codec_fds_close(const struct message *m, enum field_dir dir, void *st)
{
	for (size_t i = 0; i < m->n_fields; i++)
		if (m->fields[i].dir == dir && types[m->fields[i].type].shape == SHAPE_FD)
			fd_closep((int *)((char *)st + m->fields[i].offset));
}
