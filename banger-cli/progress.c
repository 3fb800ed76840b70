/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "banger-cli/tty.h"
#include "common/str.h"

#define REDRAW_MS 100
#define BAR_WIDTH (PROGRESS_BAR - (int)sizeof("[]"))
#define BAR_LEAST 4

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void progress_init(struct progress *p, bool quiet)
{
	*p = (struct progress){ .quiet = quiet, .redraws = tty_redraws(stderr) };
}

/* "[2/7] " or nothing. */
static void label(const struct stage *s, char *buf, size_t cap)
{
	buf[0] = '\0';
	if (s->count > 0 && s->index > 0)
		str_format(buf, cap, "[%u/%u] ", s->index, s->count);
}

/* How much of the stage is done: 0 to 100, or -1. */
static int percent(const struct stage *s)
{
	if (s->total == 0)
		return -1;
	return s->done >= s->total ? 100 : (int)((double)s->done * 100 / (double)s->total);
}

bool progress_bar(uint64_t done, uint64_t total, int room, char ret[PROGRESS_BAR])
{
	int width = room - 2 < BAR_WIDTH ? room - 2 : BAR_WIDTH, filled;

	if (width < BAR_LEAST)
		return false;
	filled = total ? (int)((double)done * width / (double)total) : 0;
	ret[0] = '[';
	memset(ret + 1, '.', (size_t)width);
	memset(ret + 1, '#', (size_t)(filled > width ? width : filled));
	str_copy(ret + 1 + width, 2, "]");
	return true;
}

/* "write        [####....]  40%" for a line of so many columns: the percent is the last to go. */
static void bar_line(const struct stage *s, const char *head, int done, int columns, char line[192])
{
	int room = columns - (int)strlen(head) - PROGRESS_NAME - (int)strlen("  100%");
	char bar[PROGRESS_BAR];

	if (progress_bar((uint64_t)done, 100, room, bar))
		str_format(line, 192, "%s%-*s %s %3d%%", head, PROGRESS_NAME, s->name, bar, done);
	else
		str_format(line, 192, "%s%s %d%%", head, s->name, done);
}

static void draw(const struct stage *s)
{
	char head[32], line[192];
	uint16_t rows, columns;
	int done = percent(s);

	tty_size(&rows, &columns);
	label(s, head, sizeof(head));
	if (done < 0 && s->done == 0)
		str_format(line, sizeof(line), "%s%s", head, s->name);
	else if (done < 0)
		str_format(line, sizeof(line), "%s%s  %llu", head, s->name,
			(unsigned long long)s->done);
	else
		bar_line(s, head, done, columns - 1, line);
	fprintf(stderr, "\r\033[K%.*s", columns - 1, line);
	fflush(stderr);
}

void progress_stage(void *ctx, const struct stage *s)
{
	struct progress *p = ctx;
	bool new_stage = strcmp(p->last, s->name) != 0;
	uint64_t now = now_ms();
	char head[32];

	if (p->quiet)
		return;
	str_copy(p->last, sizeof(p->last), s->name);
	if (p->redraws) {
		if (!new_stage && now - p->drawn_at_ms < REDRAW_MS)
			return;
		p->drawn = true;
		p->drawn_at_ms = now;
		draw(s);
	} else if (new_stage) {
		label(s, head, sizeof(head));
		fprintf(stderr, "banger: %s%s\n", head, s->name);
	}
}

void progress_clear(struct progress *p)
{
	if (p->drawn)
		fputs("\r\033[K", stderr);
	p->drawn = false;
	fflush(stderr);
}
