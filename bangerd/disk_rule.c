/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/disk_rule.h"

#include "common/str.h"

/* Above the line, so that who goes on has something to go on with. */
#define MARGIN_MIN (UINT64_C(16) << 20)

const char *disk_level_name(enum disk_level level)
{
	static const char *const names[] = { "ok", "near", "low", "full" };

	return names[level];
}

uint64_t disk_rule_line(uint64_t keep)
{
	return keep > DISK_LINE_MIN ? keep : DISK_LINE_MIN;
}

/* What was written by the time `ms` from now; never more than is free. */
static uint64_t soon_written(const struct disk_space *s, unsigned ms)
{
	uint64_t n;

	return ckd_mul(&n, s->fall, (uint64_t)ms) || n / 1000 > s->free ? s->free : n / 1000;
}

enum disk_level disk_rule_level(const struct disk_space *s, enum disk_level before)
{
	uint64_t line = disk_rule_line(s->keep), usable, left;
	unsigned percent = before == DISK_ROOMY ? 20 : 25;

	if (s->free <= line / 2)
		return DISK_FULL;
	if (s->free - soon_written(s, disk_rule_interval_ms(s) + DISK_PAUSE_MS) <= line)
		return DISK_LOW;
	usable = s->total > line ? s->total - line : 0;
	left = s->free - line;
	return left / percent <= usable / 100 ? DISK_NEAR : DISK_ROOMY;
}

unsigned disk_rule_interval_ms(const struct disk_space *s)
{
	uint64_t line = disk_rule_line(s->keep), above, ms;

	if (s->free <= line / 2) /* all stand still by now, or are being made to */
		return 1000;
	above = s->free > line ? s->free - line : s->free - line / 2;
	ms = above / 2 / (DISK_RATE / 1000);
	return ms < DISK_LOOK_MIN_MS   ? DISK_LOOK_MIN_MS
	       : ms > DISK_LOOK_MAX_MS ? DISK_LOOK_MAX_MS
				       : (unsigned)ms;
}

uint64_t disk_rule_missing(const struct disk_space *s)
{
	uint64_t line = disk_rule_line(s->keep), want;
	uint64_t margin = line / 4 > MARGIN_MIN ? line / 4 : MARGIN_MIN;

	if (ckd_add(&want, line, margin))
		want = UINT64_MAX;
	return s->free >= want ? 0 : want - s->free;
}

bool disk_rule_cow_warns(uint64_t used, uint64_t total, bool warned)
{
	return total > 0 && used / (warned ? 75 : 80) >= total / 100;
}

enum disk_action disk_rule_action(
	const struct disk_space *s, enum disk_level level, const struct disk_user *u)
{
	if (u->starting)
		return level == DISK_FULL && u->grew ? DISK_PAUSE : DISK_LEAVE;
	if (u->runs && u->lost)
		return DISK_PAUSE_LOST;
	if (u->runs)
		return level == DISK_FULL || (level == DISK_LOW && u->grew) ? DISK_PAUSE
									    : DISK_LEAVE;
	if (u->by_watch && !u->lost && u->rested && disk_rule_missing(s) == 0 && level < DISK_LOW)
		return DISK_RESUME;
	return DISK_LEAVE;
}
