/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "common/str.h"

#define LINE 4096

static struct {
	int fd;
	enum log_level level;
	const char *id;
} out = { STDOUT_FILENO, LOG_LINE_INFO, "anonymous-instance" };

void log_line_init(const char *id)
{
	out.id = id;
}

void log_line_to(int fd)
{
	if (out.fd != STDOUT_FILENO)
		close(out.fd);
	out.fd = fd;
}

void log_line_level(const char *name)
{
	static const struct {
		const char *name;
		enum log_level level;
	} names[] = { { "Off", LOG_LINE_OFF }, { "Error", LOG_LINE_ERROR },
		{ "Warn", LOG_LINE_WARN }, { "Warning", LOG_LINE_WARN }, { "Info", LOG_LINE_INFO },
		{ "Debug", LOG_LINE_DEBUG }, { "Trace", LOG_LINE_DEBUG } };

	out.level = LOG_LINE_INFO;
	for (size_t i = 0; name && i < ARRAY_SIZE(names); i++)
		if (strcasecmp(names[i].name, name) == 0)
			out.level = names[i].level;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[LINE];
	struct timespec now;
	struct tm tm;
	size_t n;
	va_list ap;

	if (level > out.level)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	n = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
	n += (size_t)snprintf(line + n, sizeof(line) - n, ".%09ld [%s:main] ", now.tv_nsec, out.id);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	n = strlen(line);
	line[n++] = '\n';
	/* Where nobody reads a line is lost, as the real one's is. */
	if (write(out.fd, line, n) < 0)
		return;
}
