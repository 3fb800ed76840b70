/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/layers.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "banger-cli/text.h"
#include "banger-cli/tty.h"
#include "common/str.h"

#define PREFIX	  "fetch "
#define REDRAW_MS 100
#define LINES_MAX 6 /* of layers at once: what comes, not what is whole */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void layers_init(struct layers *l, bool quiet)
{
	memset(l, 0, sizeof(*l));
	progress_init(&l->progress, quiet);
}

static struct layer *find(struct layers *l, const char *name)
{
	unsigned i = 0;

	while (i < l->n && !str_eq(l->items[i].name, name))
		i++;
	if (i == l->n) {
		if (i == LAYERS_MAX || !str_copy(l->items[i].name, sizeof(l->items[i].name), name))
			return NULL;
		l->n++;
	}
	return &l->items[i];
}

static bool is_whole(const struct layer *item)
{
	return item->done >= item->total;
}

/* In a narrow terminal the bar is what goes: numbers say more. */
static void draw_bar(const char *name, uint64_t done, uint64_t total, int columns)
{
	char bar[PROGRESS_BAR], have[32], all[32], line[192];
	int room;

	text_size(done, have);
	text_size(total, all);
	room = columns - 1 - PROGRESS_NAME - (int)(strlen("   of ") + strlen(have) + strlen(all));
	if (progress_bar(done, total, room, bar))
		str_format(line, sizeof(line), "%-*s %s %s of %s", PROGRESS_NAME, name, bar, have,
			all);
	else
		str_format(line, sizeof(line), "%-*s %s of %s", PROGRESS_NAME, name, have, all);
	fprintf(stderr, "%.*s\n", columns - 1, line);
}

void layers_clear(struct layers *l)
{
	progress_clear(&l->progress);
	if (l->drawn > 0)
		fprintf(stderr, "\033[%uA\r\033[J", l->drawn);
	l->drawn = 0;
	fflush(stderr);
}

/* Layers that come, then all of them in one line, then what else goes on. */
static void draw(struct layers *l)
{
	uint64_t done = 0, total = 0;
	unsigned whole = 0, lines = 0;
	uint16_t rows, columns;
	char label[48];

	tty_size(&rows, &columns);
	layers_clear(l);
	for (unsigned i = 0; i < l->n; i++) {
		const struct layer *item = &l->items[i];

		done += item->done;
		total += item->total;
		whole += is_whole(item);
		if (is_whole(item) || lines == LINES_MAX || lines + 3u >= rows)
			continue;
		draw_bar(item->name, item->done, item->total, columns);
		lines++;
	}
	if (l->n > 0) {
		str_format(label, sizeof(label), "%u of %u", whole, l->n);
		draw_bar(label, done, total, columns);
		lines++;
	}
	if (l->stage[0]) {
		fprintf(stderr, "%.*s\n", columns - 1, l->stage);
		lines++;
	}
	l->drawn = lines;
	fflush(stderr);
}

static void tell_whole(struct layer *item)
{
	char size[32];

	if (item->told)
		return;
	item->told = true;
	fprintf(stderr, "banger: %s is here (%s)\n", item->name, text_size(item->total, size));
}

void layers_stage(void *ctx, const struct stage *s)
{
	struct layers *l = ctx;
	struct layer *item = NULL;
	uint64_t now = now_ms();

	if (l->progress.quiet)
		return;
	if (str_starts(s->name, PREFIX)) {
		item = find(l, s->name + strlen(PREFIX));
		if (!item)
			return;
		item->done = s->done;
		item->total = s->total;
	} else if (!l->progress.redraws) {
		progress_stage(&l->progress, s);
		return;
	} else {
		str_copy(l->stage, sizeof(l->stage), s->name);
	}
	if (l->progress.redraws && now - l->drawn_at_ms >= REDRAW_MS) {
		l->drawn_at_ms = now;
		draw(l);
	} else if (!l->progress.redraws && item && is_whole(item)) {
		tell_whole(item);
	}
}
