/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Rows in aligned columns on standard output. */
#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

#define TABLE_COLUMNS 12

struct table {
	const char *const *titles;
	size_t n_columns;
	char **cells; /* owned; row by row */
	size_t n_cells;
	bool failed;
};

/* titles: n of them, 1 to TABLE_COLUMNS; they live as long as the table. */
void table_init(struct table *t, const char *const *titles, size_t n);
void table_finish(struct table *t);
#define _cleanup_table_ __attribute__((cleanup(table_finish)))

/* The next cell, from left to right, row after row; cleaned here. NULL or "" shows as "-". */
void table_cell(struct table *t, const char *text);
void table_number(struct table *t, long long value); /* negative: "-" */
void table_size(struct table *t, long long bytes);   /* the same, as "1.2 GiB" */

/* Print it, the titles first. Fails when memory was out or standard output took it not. */
int table_print(const struct table *t, struct err *err);
