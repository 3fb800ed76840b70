/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/tar_map.h"

#include <errno.h>
#include <stdlib.h>

#include "common/str.h"

void tar_map_finish(struct tar_map *m)
{
	free(m->list);
	*m = (struct tar_map){ 0 };
}

void tar_map_reset(struct tar_map *m)
{
	m->n = 0;
	m->sum = m->end = 0;
}

int tar_map_add(struct tar_map *m, uint64_t offset, uint64_t length, struct err *err)
{
	uint64_t end;

	if (offset < m->end || ckd_add(&end, offset, length) || end > INT64_MAX)
		return err_set(err, ERR_bad_input, "its sparse map is out of order");
	m->end = end;
	if (length == 0)
		return 0;
	if (m->n == m->room) {
		uint32_t room = m->room ? m->room * 2 : 16; /* bounded by the headers' size */
		struct tar_segment *grown = realloc(m->list, room * sizeof(*grown));

		if (!grown)
			return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read its map");
		m->list = grown;
		m->room = room;
	}
	m->list[m->n++] = (struct tar_segment){ offset, length };
	m->sum += length; /* no more than the last one's end */
	return 0;
}

static bool number(const char **s, uint64_t *ret)
{
	const char *p = *s;
	uint64_t v = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		if (ckd_mul(&v, v, 10U) || ckd_add(&v, v, (unsigned)(*p - '0')))
			return false;
	if (p == *s || (*p != ',' && *p != '\0'))
		return false;
	*s = *p == ',' ? p + 1 : p;
	*ret = v;
	return true;
}

int tar_map_parse(struct tar_map *m, const char *s, struct err *err)
{
	uint64_t offset = 0, length = 0;

	tar_map_reset(m);
	while (*s != '\0') {
		if (!number(&s, &offset) || !number(&s, &length))
			return err_set(
				err, ERR_bad_input, "its sparse map has no pairs of numbers");
		if (tar_map_add(m, offset, length, err) < 0)
			return -1;
	}
	return 0;
}

int tar_map_check(const struct tar_map *m, uint64_t size, uint64_t stored, struct err *err)
{
	if (m->end > size)
		return err_set(err, ERR_bad_input, "its sparse map is larger than the file");
	if (m->sum != stored)
		return err_set(err, ERR_bad_input,
			"its sparse map has %llu bytes, and the archive %llu",
			(unsigned long long)m->sum, (unsigned long long)stored);
	return 0;
}
