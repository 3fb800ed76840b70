/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/tar_sparse.h"

#include <errno.h>
#include <stdlib.h>

#include "banger-imaged/tar_header.h"
#include "common/str.h"

#define SEGMENTS_MAX 65536

int sparse_map_add(struct sparse_map *m, uint64_t offset, uint64_t length, struct err *err)
{
	if (m->n == SEGMENTS_MAX)
		return err_set(
			err, ERR_bad_input, "a sparse map has more than %d segments", SEGMENTS_MAX);
	if (m->n == m->room) {
		uint32_t room = m->room ? m->room * 2 : 8;
		struct tar_segment *grown = realloc(m->segments, room * sizeof(*grown));

		if (!grown)
			return err_sys(
				err, ERR_operation_failed, ENOMEM, "cannot read a sparse map");
		m->segments = grown;
		m->room = room;
	}
	m->segments[m->n++] = (struct tar_segment){ offset, length };
	return 0;
}

int sparse_map_add_gnu(struct sparse_map *m, const uint8_t block[TAR_BLOCK], bool first,
	bool *ret_more, struct err *err)
{
	const uint8_t *p = block + (first ? 386 : 0);

	for (unsigned i = 0; i < (first ? 4U : 21U); i++, p += 24) {
		int64_t offset, length;

		if (p[0] == '\0' && p[12] == '\0')
			break;
		if (!tar_number(p, 12, &offset) || !tar_number(p + 12, 12, &length) || offset < 0 ||
			length < 0)
			return err_set(
				err, ERR_bad_input, "a sparse map has something else than numbers");
		if (sparse_map_add(m, (uint64_t)offset, (uint64_t)length, err) < 0)
			return -1;
	}
	*ret_more = block[first ? 482 : 504] != 0;
	return 0;
}

int sparse_map_check(struct sparse_map *m, uint64_t size, uint64_t stored, struct err *err)
{
	uint64_t at = 0, sum = 0, end;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < m->n; i++) {
		struct tar_segment *s = &m->segments[i];

		if (s->offset < at || ckd_add(&end, s->offset, s->length) || end > size)
			return err_set(err, ERR_bad_input,
				"a sparse map is out of order, or larger than its file");
		sum += s->length;
		at = end;
		if (s->length > 0)
			m->segments[kept++] = *s;
	}
	m->n = kept;
	if (sum != stored)
		return err_set(err, ERR_bad_input,
			"a sparse map speaks of %llu bytes, the archive has %llu",
			(unsigned long long)sum, (unsigned long long)stored);
	return 0;
}

static int take_number(struct sparse_text *t, struct sparse_map *m, struct err *err)
{
	if (t->seen == 0)
		t->count = t->number;
	else if (t->seen & 1)
		t->offset = t->number;
	else if (sparse_map_add(m, t->offset, t->number, err) < 0)
		return -1;
	t->seen++;
	t->done = t->count > SEGMENTS_MAX || t->seen == 1 + 2 * t->count;
	if (t->count > SEGMENTS_MAX)
		return err_set(
			err, ERR_bad_input, "a sparse map has more than %d segments", SEGMENTS_MAX);
	t->number = 0;
	t->digits = 0;
	return 0;
}

int sparse_text_add(struct sparse_text *t, struct sparse_map *m, uint8_t c, struct err *err)
{
	if (c == '\n' && t->digits > 0)
		return take_number(t, m, err);
	if (c < '0' || c > '9' || ++t->digits > 18)
		return err_set(err, ERR_bad_input, "a sparse map has something else than numbers");
	t->number = t->number * 10 + (uint64_t)(c - '0');
	return 0;
}
