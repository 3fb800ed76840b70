/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/idle.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "common/str.h"

#define NOTE "idle"

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* A line for each: its owner's uid. */
static bool write_note(const struct idle *idle, struct ledger *l)
{
	char note[IDLE_MAX * 12] = "";
	struct err err = ERR_INIT;

	for (unsigned i = 0; i < idle->n; i++) {
		size_t used = strlen(note);

		if (!str_format(note + used, sizeof(note) - used, "%u\n",
			    (unsigned)idle->list[i].owner))
			return false;
	}
	if (ledger_note_write(l, NOTE, note, &err) == 0)
		return true;
	log_warning("%s", err.msg);
	return false;
}

static void remove_at(struct idle *idle, unsigned i)
{
	idle->n--;
	memmove(&idle->list[i], &idle->list[i + 1], (idle->n - i) * sizeof(idle->list[0]));
}

bool idle_keep(struct idle *idle, struct ledger *l, uid_t owner, uint16_t subnet)
{
	if (idle->n == IDLE_MAX)
		return false;
	idle->list[idle->n++] = (struct idle_bridge){ owner, subnet, now_ms() + IDLE_MS };
	if (write_note(idle, l))
		return true;
	idle->n--;
	return false;
}

bool idle_take(struct idle *idle, struct ledger *l, uid_t owner, uint16_t subnet)
{
	for (unsigned i = 0; i < idle->n; i++) {
		bool same = idle->list[i].subnet == subnet;

		if (idle->list[i].owner != owner)
			continue;
		remove_at(idle, i);
		/* A note that says too much only has one taken away that has no VM. */
		write_note(idle, l);
		return same;
	}
	return false;
}

int idle_wait_ms(const struct idle *idle)
{
	uint64_t now = now_ms();

	if (idle->n == 0)
		return -1;
	return idle->list[0].until_ms > now ? (int)(idle->list[0].until_ms - now) : 0;
}

void idle_end(struct idle *idle, struct ledger *l, bool all, idle_down down, void *ctx)
{
	bool changed = false;

	while (idle->n > 0 && (all || idle->list[0].until_ms <= now_ms())) {
		struct err err = ERR_INIT;

		if (down(ctx, idle->list[0].owner, &err) < 0)
			log_warning("%s", err.msg);
		remove_at(idle, 0);
		changed = true;
	}
	if (changed)
		write_note(idle, l);
}

void idle_recover(struct ledger *l, idle_down down, void *ctx)
{
	_cleanup_free_ char *note = NULL;
	struct err err = ERR_INIT;
	char *rest;

	if (ledger_note_read(l, NOTE, &note, &err) < 0) {
		log_warning("%s", err.msg);
		return;
	}
	if (!note || !note[0])
		return;
	rest = note;
	for (char *line; (line = strsep(&rest, "\n"));) {
		uint64_t uid;

		if (str_to_u64(line, 0, UINT32_MAX - 1, &uid) && down(ctx, (uid_t)uid, &err) < 0)
			log_warning("%s", err.msg);
	}
	if (ledger_note_write(l, NOTE, "", &err) < 0)
		log_warning("%s", err.msg);
}
