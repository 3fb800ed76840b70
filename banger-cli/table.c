/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "banger-cli/text.h"
#include "banger-cli/tty.h"
#include "common/str.h"

void table_init(struct table *t, const char *const *titles, size_t n)
{
	*t = (struct table){ .titles = titles, .n_columns = n };
}

void table_finish(struct table *t)
{
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i]);
	free(t->cells);
	t->cells = NULL;
	t->n_cells = 0;
}

void table_cell(struct table *t, const char *text)
{
	char *copy = text_clean(text && *text ? text : "-"), **grown;

	grown = copy ? reallocarray(t->cells, t->n_cells + 1, sizeof(*t->cells)) : NULL;
	if (!grown) {
		free(copy);
		t->failed = true;
		return;
	}
	t->cells = grown;
	t->cells[t->n_cells++] = copy;
}

void table_number(struct table *t, long long value)
{
	char buf[24];

	snprintf(buf, sizeof(buf), "%lld", value);
	table_cell(t, value < 0 ? NULL : buf);
}

void table_size(struct table *t, long long bytes)
{
	char buf[32];

	table_cell(t, bytes < 0 ? NULL : text_size((unsigned long long)bytes, buf));
}

static void measure(const struct table *t, size_t widths[TABLE_COLUMNS])
{
	for (size_t i = 0; i < t->n_columns; i++)
		widths[i] = text_width(t->titles[i]);
	for (size_t at = 0; at < t->n_cells; at += t->n_columns)
		for (size_t i = 0; i < t->n_columns && at + i < t->n_cells; i++) {
			size_t n = text_width(t->cells[at + i]);

			if (n > widths[i])
				widths[i] = n;
		}
}

static void put(const char *text, size_t width, bool last)
{
	fputs(text, stdout);
	if (last)
		fputc('\n', stdout);
	else
		printf("%*s", (int)(width - text_width(text) + 2), "");
}

int table_print(const struct table *t, struct err *err)
{
	size_t widths[TABLE_COLUMNS];
	bool bold = tty_colours(stdout);

	if (t->failed)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot show a list");
	if (t->n_columns == 0)
		return 0;
	measure(t, widths);
	if (bold)
		fputs("\033[1m", stdout);
	for (size_t i = 0; i < t->n_columns; i++)
		put(t->titles[i], widths[i], i + 1 == t->n_columns);
	if (bold)
		fputs("\033[0m", stdout);
	for (size_t at = 0; at < t->n_cells; at += t->n_columns)
		for (size_t i = 0; i < t->n_columns && at + i < t->n_cells; i++)
			put(t->cells[at + i], widths[i], i + 1 == t->n_columns);
	return 0;
}
