/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The database: what images, kernels and VMs are. SQLite in WAL mode, synchronous=FULL: what was
 * committed is on the disk. One connection writes, inside a transaction that one thread holds;
 * another reads, and never waits for a write. SQL is in store*.c alone.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/types.h"

struct store;
struct sqlite3_stmt;

/* Open or make the database, and bring its schema to this program's version. A schema newer than
 * this program is refused (unavailable), unchanged; so is (bad_input) none at all, or an empty one,
 * unless it may be new. */
int store_open(const char *path, bool may_be_new, struct store **ret, struct err *err);
void store_close(struct store *s); /* NULL is allowed */

/* A write transaction, this thread's until commit or rollback; others wait. The transaction of a
 * failed commit is rolled back. Keep it short: nothing slow in between. */
int store_begin(struct store *s, struct err *err);
int store_commit(struct store *s, struct err *err);
void store_rollback(struct store *s);

/* Rolls back at the end of its scope what was not committed:
 *	_cleanup_(store_tx_end) struct store *tx = NULL;
 *	if (store_begin(s, err) < 0) return -1;
 *	tx = s;
 *	… return store_tx_commit(&tx, err); */
void store_tx_end(struct store **tx);
int store_tx_commit(struct store **tx, struct err *err);

/* ---- for store_*.c ---- */

enum store_side {
	STORE_READ,  /* the reader: what was committed; held until query_end(), so one at a time */
	STORE_WRITE, /* the writer: inside store_begin() … only */
};

/* One statement at work. `sql` is a literal: its address is the key of the statement cache. A
 * failed bind is remembered and reported by query_step(). Columns count from 0, parameters from 1.
 */
struct query {
	struct store *store;
	struct sqlite3_stmt *stmt;
	enum store_side side;
	int rc;
};

int query_begin(
	struct query *q, struct store *s, enum store_side side, const char *sql, struct err *err);
void query_end(struct query *q); /* for _cleanup_; harmless on a zeroed one */

void query_int(struct query *q, int param, int64_t v);
void query_text(struct query *q, int param, const char *s); /* kept until query_end() */
void query_blob(struct query *q, int param, const void *p, size_t n);
void query_strv(struct query *q, int param, const strv *v);

/* 1: a row; 0: the end. A broken constraint: UNIQUE is already_exists, FOREIGN KEY is busy; a full
 * disk is no_space. */
int query_step(struct query *q, struct err *err);
/* For statements without rows. */
int query_run(struct query *q, struct err *err);
/* Rows changed by the last statement of the writer. */
int query_changes(const struct query *q);

int64_t query_col_int(struct query *q, int col);
/* Into a buffer of the caller's; fails (operation_failed) when it does not fit: nobody but us wrote
 * it, so then the database is damaged. */
int query_col_text(struct query *q, int col, char *dst, size_t cap, struct err *err);
/* A heap copy that the caller frees by strv_free(). */
int query_col_strv(struct query *q, int col, strv *ret, struct err *err);
const void *query_col_blob(struct query *q, int col, size_t *ret_n);

/* Free what query_col_strv() or strv_dup() made; harmless on a zeroed one. */
void strv_free(strv *v);
int strv_dup(const strv *v, strv *ret, struct err *err);
