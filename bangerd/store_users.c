/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/store_users.h"

#include <string.h>

#include "common/str.h"

#define OTHERS "another user's"
#define MORE   "…"

int store_users_read(struct query *q, uid_t uid, char *buf, size_t cap, strv *ret, struct err *err)
{
	const uint32_t room = (uint32_t)(cap - sizeof(OTHERS) - sizeof(MORE));
	bool others = false, cut = false;
	strv v = { .p = buf };
	int r;

	while ((r = query_step(q, err)) > 0) {
		vm_name name;

		if (query_col_text(q, 0, name.s, sizeof(name.s), err) < 0)
			return -1;
		if (uid != 0 && (uid_t)query_col_int(q, 1) != uid)
			others = true;
		else if (!cut && !strv_add(&v, buf, room, name.s))
			cut = true;
	}
	if (r < 0)
		return -1;
	/* Room was kept for these. */
	if (others)
		strv_add(&v, buf, (uint32_t)cap, OTHERS);
	if (cut)
		strv_add(&v, buf, (uint32_t)cap, MORE);
	*ret = v;
	return 0;
}

void store_users_text(const strv *users, char *dst, size_t cap)
{
	size_t n = 0;

	dst[0] = '\0';
	for (const char *s = strv_next(users, NULL); s; s = strv_next(users, s)) {
		if (!str_format(dst + n, cap - n, "%s%s", n > 0 ? ", " : "", s))
			break;
		n += strlen(dst + n);
	}
}
