/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/uid_range.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/str.h"

/* Where a line has a first id, and how many follow (passwd(5), group(5), subuid(5)). */
static const struct source {
	const char *file;
	int id_field, count_field; /* -1: one id */
} sources[] = {
	{ "passwd", 2, -1 },
	{ "passwd", 3, -1 },
	{ "group", 2, -1 },
	{ "subuid", 1, 2 },
	{ "subgid", 1, 2 },
};

static bool get_number(const char *line, int field, uint64_t *ret)
{
	char s[24];
	size_t n;

	while (field-- > 0) {
		line = strchr(line, ':');
		if (!line)
			return false;
		line++;
	}
	n = strcspn(line, ":\n");
	if (n >= sizeof(s))
		return false;
	memcpy(s, line, n);
	s[n] = '\0';
	return str_to_u64(s, 0, UINT32_MAX, ret);
}

/* Lines that are no entries (comments, NIS) name no ids. */
static bool collides(const struct source *src, const char *line, uint64_t base, uint64_t count)
{
	uint64_t id, n = 1;

	if (!get_number(line, src->id_field, &id))
		return false;
	if (src->count_field >= 0 && !get_number(line, src->count_field, &n))
		return false;
	return id < base + count && base < id + n;
}

static int check_source(
	const char *etc, const struct source *src, uint64_t base, uint64_t count, struct err *err)
{
	_cleanup_free_ char *line = NULL;
	char path[128];
	size_t cap = 0;
	int r = 0;
	FILE *f;

	if (!str_format(path, sizeof(path), "%s/%s", etc, src->file))
		return err_set(err, ERR_operation_failed, "%s is too long a path", etc);
	f = fopen(path, "re");
	if (!f && errno == ENOENT)
		return 0;
	if (!f)
		return err_sys(err, ERR_operation_failed, errno, "cannot read %s", path);
	while (r == 0 && getline(&line, &cap, f) >= 0)
		if (collides(src, line, base, count))
			r = err_set(err, ERR_bad_request,
				"the ids of jails, %llu to %llu, collide with '%.*s' in %s: "
				"choose others ([jail] uid_base, uid_count)",
				(unsigned long long)base, (unsigned long long)(base + count - 1),
				(int)strcspn(line, ":\n"), line, path);
	if (r == 0 && ferror(f))
		r = err_set(err, ERR_operation_failed, "cannot read %s", path);
	fclose(f);
	return r;
}

int uid_range_check(const char *etc, uid_t base, uint32_t count, struct err *err)
{
	if (base < 65536 || count < 2 || (uint64_t)base + count > UINT32_MAX)
		return err_set(err, ERR_bad_request,
			"[jail] uid_base, uid_count: at least two ids from 65536 to 4294967294");
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		if (check_source(etc, &sources[i], base, count, err) < 0)
			return -1;
	return 0;
}
