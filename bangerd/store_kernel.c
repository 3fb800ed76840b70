/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/store_kernel.h"

#include "common/str.h"

#define COLUMNS "id, name, owner, version, arch, size, modules, guest, created_at, digest"

static int read_row(struct query *q, struct kernel_row *ret, struct err *err)
{
	struct kernel_row r = { 0 };

	r.owner = (uid_t)query_col_int(q, 2);
	r.size = (uint64_t)query_col_int(q, 5);
	r.n_modules = (uint32_t)query_col_int(q, 6);
	r.created_at = query_col_int(q, 8);
	if (query_col_text(q, 0, r.id.s, sizeof(r.id.s), err) < 0 ||
		query_col_text(q, 1, r.name.s, sizeof(r.name.s), err) < 0 ||
		query_col_text(q, 3, r.version.s, sizeof(r.version.s), err) < 0 ||
		query_col_text(q, 4, r.arch.s, sizeof(r.arch.s), err) < 0 ||
		query_col_text(q, 7, r.guest.s, sizeof(r.guest.s), err) < 0 ||
		query_col_text(q, 9, r.digest.s, sizeof(r.digest.s), err) < 0)
		return -1;
	*ret = r;
	return 0;
}

int store_kernel_insert(struct store *s, const struct kernel_row *r, struct err *err)
{
	_cleanup_(query_end) struct query q = { 0 };

	if (query_begin(&q, s, STORE_WRITE,
		    "INSERT INTO kernel (" COLUMNS ") VALUES (?,?,?,?,?,?,?,?,?,?)", err) < 0)
		return -1;
	query_text(&q, 1, r->id.s);
	query_text(&q, 2, r->name.s);
	query_int(&q, 3, r->owner);
	query_text(&q, 4, r->version.s);
	query_text(&q, 5, r->arch.s);
	query_int(&q, 6, (int64_t)r->size);
	query_int(&q, 7, r->n_modules);
	query_text(&q, 8, r->guest.s);
	query_int(&q, 9, r->created_at);
	query_text(&q, 10, r->digest.s);
	if (query_run(&q, err) == 0)
		return 0;
	if (err->code == ERR_already_exists)
		err_set(err, ERR_already_exists, "you have a kernel '%s' already", r->name.s);
	return -1;
}

int store_kernel_refreshed(
	struct store *s, const vm_id *id, const digest *guest, uint64_t size, struct err *err)
{
	_cleanup_(query_end) struct query q = { 0 };

	if (query_begin(&q, s, STORE_WRITE, "UPDATE kernel SET guest = ?, size = ? WHERE id = ?",
		    err) < 0)
		return -1;
	query_text(&q, 1, guest->s);
	query_int(&q, 2, (int64_t)size);
	query_text(&q, 3, id->s);
	return query_run(&q, err);
}

int store_kernel_list(struct store *s, enum store_side side, uid_t uid, store_kernel_each each,
	void *ctx, struct err *err)
{
	_cleanup_(query_end) struct query q = { 0 };
	int r;

	if (query_begin(&q, s, side,
		    "SELECT " COLUMNS " FROM kernel WHERE owner = ?1 OR owner = 0 OR ?1 = 0 "
		    "ORDER BY created_at, rowid",
		    err) < 0)
		return -1;
	query_int(&q, 1, uid);
	while ((r = query_step(&q, err)) > 0) {
		struct kernel_row row;

		if (read_row(&q, &row, err) < 0)
			return -1;
		r = each(ctx, &row, err);
		if (r != 0)
			return r;
	}
	return r;
}

int store_kernel_get(struct store *s, enum store_side side, const vm_id *id, struct kernel_row *ret,
	struct err *err)
{
	_cleanup_(query_end) struct query q = { 0 };
	int r;

	if (query_begin(&q, s, side, "SELECT " COLUMNS " FROM kernel WHERE id = ?", err) < 0)
		return -1;
	query_text(&q, 1, id->s);
	r = query_step(&q, err);
	if (r == 0)
		return err_set(err, ERR_not_found, "no kernel '%s'", id->s);
	return r < 0 ? -1 : read_row(&q, ret, err);
}
