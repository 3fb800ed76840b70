/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/str.h"

#define LINE_MAX_BYTES 1024

static const char *ident = "banger";
static enum log_level threshold = LOG_INFO;
static bool to_journal;
static _Thread_local uint64_t current_op;

static const struct {
	const char *name;
	enum log_level level;
} names[] = {
	{ "error", LOG_ERROR },
	{ "warning", LOG_WARNING },
	{ "notice", LOG_NOTICE },
	{ "info", LOG_INFO },
	{ "debug", LOG_DEBUG },
};

bool log_level_parse(const char *name, enum log_level *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (str_eq(names[i].name, name)) {
			*ret = names[i].level;
			return true;
		}
	return false;
}

void log_init(const char *name, enum log_level level)
{
	const char *env = getenv("BANGER_LOG_LEVEL");

	ident = name;
	threshold = level;
	if (env)
		log_level_parse(env, &threshold);
	to_journal = getenv("JOURNAL_STREAM") != NULL;
}

void log_set_level(enum log_level level)
{
	threshold = level;
}

void log_set_op(uint64_t op)
{
	current_op = op;
}

uint64_t log_op(void)
{
	return current_op;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES], line[LINE_MAX_BYTES + 128], op[32] = "";
	va_list ap;
	int n;

	if (level > threshold)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	str_sanitize(text);
	if (current_op != 0)
		snprintf(op, sizeof(op), " op=%016llx", (unsigned long long)current_op);
	if (to_journal)
		n = snprintf(line, sizeof(line), "<%d>%s: %s%s\n", (int)level, ident, text, op);
	else
		n = snprintf(line, sizeof(line), "%s: %s%s\n", ident, text, op);
	/* One write a record: lines of several processes do not mix. A log that cannot be
	 * written is nobody's to report. */
	if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}
