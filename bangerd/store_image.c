/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/store_image.h"

#include <stdio.h>
#include <string.h>

#include "common/str.h"

#define COLUMNS                                                                            \
	"id, name, owner, digest, size, entries, created_at, reference, user, directory, " \
	"stop_signal, entrypoint, command, env, exposed_ports, config, layers, path, stamp"

void image_row_finish(struct image_row *r)
{
	strv_free(&r->entrypoint);
	strv_free(&r->command);
	strv_free(&r->env);
	strv_free(&r->exposed_ports);
	strv_free(&r->layers);
}

static int read_row(struct query *q, struct image_row *ret, struct err *err)
{
	_cleanup_(image_row_finish) struct image_row r = { 0 };

	r.owner = (uid_t)query_col_int(q, 2);
	r.size = (uint64_t)query_col_int(q, 4);
	r.entries = (uint64_t)query_col_int(q, 5);
	r.created_at = query_col_int(q, 6);
	if (query_col_text(q, 0, r.id.s, sizeof(r.id.s), err) < 0 ||
		query_col_text(q, 1, r.name.s, sizeof(r.name.s), err) < 0 ||
		query_col_text(q, 3, r.digest.s, sizeof(r.digest.s), err) < 0 ||
		query_col_text(q, 7, r.reference.s, sizeof(r.reference.s), err) < 0 ||
		query_col_text(q, 8, r.user.s, sizeof(r.user.s), err) < 0 ||
		query_col_text(q, 9, r.directory.s, sizeof(r.directory.s), err) < 0 ||
		query_col_text(q, 10, r.stop_signal.s, sizeof(r.stop_signal.s), err) < 0 ||
		query_col_strv(q, 11, &r.entrypoint, err) < 0 ||
		query_col_strv(q, 12, &r.command, err) < 0 ||
		query_col_strv(q, 13, &r.env, err) < 0 ||
		query_col_strv(q, 14, &r.exposed_ports, err) < 0 ||
		query_col_text(q, 15, r.config.s, sizeof(r.config.s), err) < 0 ||
		query_col_strv(q, 16, &r.layers, err) < 0 ||
		query_col_text(q, 17, r.path.s, sizeof(r.path.s), err) < 0 ||
		query_col_text(q, 18, r.stamp.s, sizeof(r.stamp.s), err) < 0)
		return -1;
	*ret = r;
	r = (struct image_row){ 0 };
	return 0;
}

int store_image_insert(struct store *s, const struct image_row *r, struct err *err)
{
	_cleanup_(query_end) struct query q = { 0 };

	if (query_begin(&q, s, STORE_WRITE,
		    "INSERT INTO image (" COLUMNS ") VALUES "
		    "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
		    err) < 0)
		return -1;
	query_text(&q, 1, r->id.s);
	query_text(&q, 2, r->name.s);
	query_int(&q, 3, r->owner);
	query_text(&q, 4, r->digest.s);
	query_int(&q, 5, (int64_t)r->size);
	query_int(&q, 6, (int64_t)r->entries);
	query_int(&q, 7, r->created_at);
	query_text(&q, 8, r->reference.s);
	query_text(&q, 9, r->user.s);
	query_text(&q, 10, r->directory.s);
	query_text(&q, 11, r->stop_signal.s);
	query_strv(&q, 12, &r->entrypoint);
	query_strv(&q, 13, &r->command);
	query_strv(&q, 14, &r->env);
	query_strv(&q, 15, &r->exposed_ports);
	query_text(&q, 16, r->config.s);
	query_strv(&q, 17, &r->layers);
	query_text(&q, 18, r->path.s);
	query_text(&q, 19, r->stamp.s);
	if (query_run(&q, err) == 0)
		return 0;
	if (err->code == ERR_already_exists)
		err_set(err, ERR_already_exists, "you have an image '%s' already", r->name.s);
	return -1;
}

int store_image_list(struct store *s, enum store_side side, uid_t uid, store_image_each each,
	void *ctx, struct err *err)
{
	_cleanup_(query_end) struct query q = { 0 };
	int r;

	if (query_begin(&q, s, side,
		    "SELECT " COLUMNS " FROM image WHERE owner = ?1 OR owner = 0 OR ?1 = 0 "
		    "ORDER BY created_at, rowid",
		    err) < 0)
		return -1;
	query_int(&q, 1, uid);
	while ((r = query_step(&q, err)) > 0) {
		_cleanup_(image_row_finish) struct image_row row = { 0 };

		if (read_row(&q, &row, err) < 0)
			return -1;
		r = each(ctx, &row, err);
		if (r != 0)
			return r;
	}
	return r;
}

int store_image_get(struct store *s, enum store_side side, const vm_id *id, struct image_row *ret,
	struct err *err)
{
	_cleanup_(query_end) struct query q = { 0 };
	int r;

	if (query_begin(&q, s, side, "SELECT " COLUMNS " FROM image WHERE id = ?", err) < 0)
		return -1;
	query_text(&q, 1, id->s);
	r = query_step(&q, err);
	if (r == 0)
		return err_set(err, ERR_not_found, "no image '%s'", id->s);
	return r < 0 ? -1 : read_row(&q, ret, err);
}
