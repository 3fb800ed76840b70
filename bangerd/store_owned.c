/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/store_owned.h"

#include <string.h>

#include "common/str.h"

#define OTHERS "another user's"
#define MORE   "…"

static const struct {
	const char *a, *name, *find, *users, *drop, *rename;
} kinds[] = {
#define KIND(a, name)                                                            \
	{                                                                        \
		a, name, "SELECT id FROM " name " WHERE owner = ? AND name = ?", \
			"SELECT name, owner FROM vm WHERE " name                 \
			"_id = ? ORDER BY created_at, rowid",                    \
			"DELETE FROM " name " WHERE id = ?",                     \
			"UPDATE " name " SET name = ? WHERE id = ?"              \
	}
	[STORE_IMAGE] = KIND("an", "image"),
	[STORE_KERNEL] = KIND("a", "kernel"),
#undef KIND
};

int store_owned_find(struct store *s, enum store_side side, enum store_owned what, uid_t owner,
	const char *name, vm_id *ret, struct err *err)
{
	_cleanup_(query_end) struct query q = { 0 };
	vm_id id;
	int r;

	if (query_begin(&q, s, side, kinds[what].find, err) < 0)
		return -1;
	query_int(&q, 1, owner);
	query_text(&q, 2, name);
	r = query_step(&q, err);
	if (r <= 0)
		return r;
	if (query_col_text(&q, 0, id.s, sizeof(id.s), err) < 0)
		return -1;
	*ret = id;
	return 1;
}

int store_owned_is_free(
	struct store *s, enum store_owned what, uid_t owner, const char *name, struct err *err)
{
	vm_id id;
	int found = store_owned_find(s, STORE_READ, what, owner, name, &id, err);

	if (found > 0)
		return err_set(err, ERR_already_exists,
			"you have %s %s '%s' already: choose another name, or replace it",
			kinds[what].a, kinds[what].name, name);
	return found;
}

int store_owned_users(struct store *s, enum store_side side, enum store_owned what, const vm_id *id,
	uid_t uid, char *buf, size_t cap, strv *ret, struct err *err)
{
	const uint32_t room = (uint32_t)(cap - sizeof(OTHERS) - sizeof(MORE));
	_cleanup_(query_end) struct query q = { 0 };
	bool others = false, cut = false;
	strv v = { .p = buf };
	int r;

	if (query_begin(&q, s, side, kinds[what].users, err) < 0)
		return -1;
	query_text(&q, 1, id->s);
	while ((r = query_step(&q, err)) > 0) {
		vm_name name;

		if (query_col_text(&q, 0, name.s, sizeof(name.s), err) < 0)
			return -1;
		if (uid != 0 && (uid_t)query_col_int(&q, 1) != uid)
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

static void join(const strv *names, char *dst, size_t cap)
{
	size_t n = 0;

	dst[0] = '\0';
	for (const char *s = strv_next(names, NULL); s; s = strv_next(names, s)) {
		if (!str_format(dst + n, cap - n, "%s%s", n > 0 ? ", " : "", s))
			break;
		n += strlen(dst + n);
	}
}

static int drop(struct store *s, enum store_owned what, const vm_id *id, struct err *err)
{
	_cleanup_(query_end) struct query q = { 0 };

	if (query_begin(&q, s, STORE_WRITE, kinds[what].drop, err) < 0)
		return -1;
	query_text(&q, 1, id->s);
	if (query_run(&q, err) < 0)
		return -1;
	return query_changes(&q) == 1
		       ? 0
		       : err_set(err, ERR_not_found, "no %s '%s'", kinds[what].name, id->s);
}

int store_owned_delete(struct store *s, enum store_owned what, const vm_id *id,
	const ref_name *name, uid_t uid, struct err *err)
{
	char buf[256], names[256];
	strv users;

	if (store_owned_users(s, STORE_WRITE, what, id, uid, buf, sizeof(buf), &users, err) < 0)
		return -1;
	join(&users, names, sizeof(names));
	if (users.count > 0)
		return err_set(err, ERR_busy, "%s '%s' is used by VMs: %s; delete them first",
			kinds[what].name, name->s, names);
	return drop(s, what, id, err);
}

static int rename_to_id(struct store *s, enum store_owned what, const vm_id *id, struct err *err)
{
	_cleanup_(query_end) struct query q = { 0 };

	if (query_begin(&q, s, STORE_WRITE, kinds[what].rename, err) < 0)
		return -1;
	query_text(&q, 1, id->s);
	query_text(&q, 2, id->s);
	return query_run(&q, err);
}

int store_owned_make_place(struct store *s, enum store_owned what, uid_t owner,
	const ref_name *name, vm_id *ret_gone, struct err *err)
{
	char buf[64];
	strv users;
	vm_id id;
	int found = store_owned_find(s, STORE_WRITE, what, owner, name->s, &id, err);

	if (found <= 0)
		return found;
	if (store_owned_users(s, STORE_WRITE, what, &id, owner, buf, sizeof(buf), &users, err) < 0)
		return -1;
	if (users.count > 0)
		return rename_to_id(s, what, &id, err);
	if (drop(s, what, &id, err) < 0)
		return -1;
	*ret_gone = id;
	return 1;
}
