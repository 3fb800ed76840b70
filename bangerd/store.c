/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/store.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bangerd/store_schema.h"
#include "common/str.h"

#define STATEMENTS 64 /* cached of a connection: more than all the SQL there is */

struct cached {
	const char *sql;
	sqlite3_stmt *stmt;
	bool busy;
};

/* One connection. */
struct side {
	sqlite3 *db;
	pthread_mutex_t lock; /* reader: for one query; writer: for a transaction */
	struct cached cache[STATEMENTS];
};

struct store {
	struct side sides[2]; /* by enum store_side */
};

static int sqlite_err(sqlite3 *db, int rc, const char *what, struct err *err)
{
	enum err_code code = ERR_operation_failed;

	switch (db ? sqlite3_extended_errcode(db) : rc) {
	case SQLITE_CONSTRAINT_UNIQUE:
	case SQLITE_CONSTRAINT_PRIMARYKEY:
		code = ERR_already_exists;
		break;
	case SQLITE_CONSTRAINT_FOREIGNKEY:
	case SQLITE_BUSY:
		code = ERR_busy;
		break;
	case SQLITE_FULL:
		code = ERR_no_space;
		break;
	default:
		break;
	}
	return err_set(err, code, "database: cannot %s: %s", what,
		db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
}

static int exec(sqlite3 *db, const char *sql, const char *what, struct err *err)
{
	int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : sqlite_err(db, rc, what, err);
}

static int open_side(struct side *s, const char *path, int flags, struct err *err)
{
	int rc = sqlite3_open_v2(path, &s->db,
		flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_PRIVATECACHE,
		NULL);

	if (rc != SQLITE_OK) {
		sqlite_err(s->db, rc, "open it", err);
		return err_wrap(err, "%s", path);
	}
	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_timeout(s->db, 5000);
	sqlite3_limit(s->db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	/* 256 KiB of page cache; temporary things in memory: no other directory is ours to write.
	 */
	return exec(s->db,
		"PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA cache_size=-256;"
		"PRAGMA temp_store=MEMORY; PRAGMA synchronous=FULL",
		"set it up", err);
}

static int user_version(sqlite3 *db, int *ret, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? 0 : sqlite_err(db, rc, "read its version", err);
}

/* Forward only, each step in a transaction of its own together with its number. */
static int migrate(sqlite3 *db, const char *path, struct err *err)
{
	int version = 0;

	if (user_version(db, &version, err) < 0)
		return -1;
	if (version < 0 || version > store_schema_version)
		return err_set(err, ERR_unavailable,
			"%s has schema %d, made by a newer banger; this one knows up to %d: "
			"install "
			"the newer one, or move the state directory away",
			path, version, store_schema_version);
	for (; version < store_schema_version; version++) {
		char end[64];

		str_format(end, sizeof(end), "PRAGMA user_version=%d; COMMIT", version + 1);
		if (exec(db, "BEGIN IMMEDIATE", "begin a migration", err) < 0)
			return -1;
		if (exec(db, store_schema_steps[version], "migrate it", err) < 0 ||
			exec(db, end, "end a migration", err) < 0) {
			sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
			return err_wrap(err, "%s: schema %d", path, version + 1);
		}
	}
	return 0;
}

static int gone(const char *path, struct err *err)
{
	return err_set(err, ERR_bad_input,
		"%s is gone or empty, but files of images, kernels or VMs are there, which without "
		"it are nobody's and would be removed: put it back from a backup, or move away "
		"what "
		"is beside it",
		path);
}

/* The writer's side, with nothing of it changed before it is known to be right. */
static int open_writer(struct side *w, const char *path, bool may_be_new, struct err *err)
{
	struct stat st;
	int version = 0;

	if (!may_be_new && stat(path, &st) < 0 && errno == ENOENT)
		return gone(path, err);
	if (open_side(w, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err) < 0 ||
		user_version(w->db, &version, err) < 0)
		return -1;
	return version == 0 && !may_be_new ? gone(path, err) : 0;
}

int store_open(const char *path, bool may_be_new, struct store **ret, struct err *err)
{
	struct store *s = calloc(1, sizeof(*s));
	struct side *w, *r;

	if (!s)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot open the database");
	w = &s->sides[STORE_WRITE];
	r = &s->sides[STORE_READ];
	pthread_mutex_init(&w->lock, NULL);
	pthread_mutex_init(&r->lock, NULL);
	/* 256 pages of log between checkpoints keep it small. */
	if (open_writer(w, path, may_be_new, err) < 0 ||
		exec(w->db, "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=256",
			"set up its log", err) < 0 ||
		migrate(w->db, path, err) < 0 ||
		open_side(r, path, SQLITE_OPEN_READONLY, err) < 0) {
		store_close(s);
		return -1;
	}
	*ret = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	for (int i = 0; i < 2; i++) {
		for (int k = 0; k < STATEMENTS; k++)
			sqlite3_finalize(s->sides[i].cache[k].stmt);
		pthread_mutex_destroy(&s->sides[i].lock);
	}
	/* The writer last: it takes the log away. */
	sqlite3_close(s->sides[STORE_READ].db);
	sqlite3_close(s->sides[STORE_WRITE].db);
	free(s);
}

/* ---- transactions ---- */

int store_begin(struct store *s, struct err *err)
{
	struct side *w = &s->sides[STORE_WRITE];

	pthread_mutex_lock(&w->lock);
	if (exec(w->db, "BEGIN IMMEDIATE", "begin a change", err) < 0) {
		pthread_mutex_unlock(&w->lock);
		return -1;
	}
	return 0;
}

int store_commit(struct store *s, struct err *err)
{
	struct side *w = &s->sides[STORE_WRITE];
	int r = exec(w->db, "COMMIT", "write a change", err);

	if (r < 0 && !sqlite3_get_autocommit(w->db))
		sqlite3_exec(w->db, "ROLLBACK", NULL, NULL, NULL);
	pthread_mutex_unlock(&w->lock);
	return r;
}

void store_rollback(struct store *s)
{
	struct side *w = &s->sides[STORE_WRITE];

	/* Some errors have rolled back already. */
	if (!sqlite3_get_autocommit(w->db))
		sqlite3_exec(w->db, "ROLLBACK", NULL, NULL, NULL);
	pthread_mutex_unlock(&w->lock);
}

void store_tx_end(struct store **tx)
{
	if (*tx)
		store_rollback(*tx);
	*tx = NULL;
}

int store_tx_commit(struct store **tx, struct err *err)
{
	return store_commit(TAKE_PTR(*tx), err);
}

/* ---- statements ---- */

static int take_statement(struct side *side, const char *sql, sqlite3_stmt **ret, struct err *err)
{
	struct cached *free_place = NULL;
	sqlite3_stmt *stmt = NULL;
	int rc;

	for (int i = 0; i < STATEMENTS; i++) {
		struct cached *c = &side->cache[i];

		if (c->sql == sql && !c->busy) {
			c->busy = true;
			*ret = c->stmt;
			return 0;
		}
		if (!c->sql && !free_place)
			free_place = c;
	}
	rc = sqlite3_prepare_v3(side->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
	if (rc != SQLITE_OK)
		return sqlite_err(side->db, rc, "prepare a statement", err);
	if (free_place)
		*free_place = (struct cached){ sql, stmt, true };
	*ret = stmt;
	return 0;
}

int query_begin(
	struct query *q, struct store *s, enum store_side side, const char *sql, struct err *err)
{
	struct side *at = &s->sides[side];

	*q = (struct query){ .side = side };
	if (side == STORE_READ)
		pthread_mutex_lock(&at->lock);
	if (take_statement(at, sql, &q->stmt, err) < 0) {
		if (side == STORE_READ)
			pthread_mutex_unlock(&at->lock);
		return -1;
	}
	q->store = s;
	return 0;
}

void query_end(struct query *q)
{
	struct side *at;
	bool cached = false;

	if (!q->stmt)
		return;
	at = &q->store->sides[q->side];
	sqlite3_reset(q->stmt);
	sqlite3_clear_bindings(q->stmt);
	for (int i = 0; i < STATEMENTS; i++)
		if (at->cache[i].stmt == q->stmt) {
			at->cache[i].busy = false;
			cached = true;
		}
	if (!cached)
		sqlite3_finalize(q->stmt);
	q->stmt = NULL;
	if (q->side == STORE_READ)
		pthread_mutex_unlock(&at->lock);
}

static void note(struct query *q, int rc)
{
	if (q->rc == SQLITE_OK)
		q->rc = rc;
}

void query_int(struct query *q, int param, int64_t v)
{
	note(q, sqlite3_bind_int64(q->stmt, param, v));
}

void query_text(struct query *q, int param, const char *s)
{
	note(q, sqlite3_bind_text(q->stmt, param, s, -1, SQLITE_STATIC));
}

void query_blob(struct query *q, int param, const void *p, size_t n)
{
	/* An empty blob, not NULL. */
	note(q, sqlite3_bind_blob64(q->stmt, param, n > 0 ? p : "", n, SQLITE_STATIC));
}

void query_strv(struct query *q, int param, const strv *v)
{
	query_blob(q, param, v->p, v->n);
}

int query_step(struct query *q, struct err *err)
{
	sqlite3 *db = q->store->sides[q->side].db;
	int rc;

	if (q->rc != SQLITE_OK)
		return sqlite_err(NULL, q->rc, "give a value", err);
	rc = sqlite3_step(q->stmt);
	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : sqlite_err(db, rc, "ask or change it", err);
}

int query_run(struct query *q, struct err *err)
{
	int r = query_step(q, err);

	if (r == 1)
		return err_set(err, ERR_operation_failed, "database: a row nobody asked for");
	return r;
}

int query_changes(const struct query *q)
{
	return sqlite3_changes(q->store->sides[q->side].db);
}

int64_t query_col_int(struct query *q, int col)
{
	return sqlite3_column_int64(q->stmt, col);
}

static int damaged(struct query *q, int col, struct err *err)
{
	return err_set(err, ERR_operation_failed,
		"database: column %s holds what was never put there",
		sqlite3_column_name(q->stmt, col));
}

int query_col_text(struct query *q, int col, char *dst, size_t cap, struct err *err)
{
	const char *s = (const char *)sqlite3_column_text(q->stmt, col);
	size_t n = (size_t)sqlite3_column_bytes(q->stmt, col);

	if (!s || n >= cap || memchr(s, 0, n))
		return damaged(q, col, err);
	memset(dst, 0, cap);
	memcpy(dst, s, n);
	return 0;
}

const void *query_col_blob(struct query *q, int col, size_t *ret_n)
{
	const void *p = sqlite3_column_blob(q->stmt, col);

	*ret_n = (size_t)sqlite3_column_bytes(q->stmt, col);
	return p;
}

int query_col_strv(struct query *q, int col, strv *ret, struct err *err)
{
	size_t n;
	const void *p = query_col_blob(q, col, &n);
	strv v = { 0 };

	if (n > UINT32_MAX || (n > 0 && !strv_parse(p, (uint32_t)n, &v)))
		return damaged(q, col, err);
	return strv_dup(&v, ret, err);
}

void strv_free(strv *v)
{
	free((void *)v->p);
	*v = (strv){ 0 };
}

int strv_dup(const strv *v, strv *ret, struct err *err)
{
	strv copy = { .n = v->n, .count = v->count };

	if (v->n > 0) {
		char *p = malloc(v->n);

		if (!p)
			return err_sys(err, ERR_operation_failed, ENOMEM, "cannot copy strings");
		memcpy(p, v->p, v->n);
		copy.p = p;
	}
	*ret = copy;
	return 0;
}
