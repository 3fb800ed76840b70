/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/stamps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/fd.h"
#include "tests/fake/behaviour.h"
#include "tests/fake/log.h"

static uint64_t at[STAMP__count], busy;

uint64_t stamps_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void stamps_note(enum stamp s)
{
	if (at[s] == 0)
		at[s] = stamps_now();
}

void stamps_busy_since(uint64_t ns)
{
	busy += stamps_now() - ns;
}

void stamps_write(void)
{
	_cleanup_fd_ int fd = -1;
	char text[256];
	int n;

	if (behaviour.stamps[0] == '\0')
		return;
	n = snprintf(text, sizeof(text),
		"begin %llu\nsocket %llu\nfirst %llu\nstart %llu\nbusy %llu\n",
		(unsigned long long)at[STAMP_BEGIN], (unsigned long long)at[STAMP_SOCKET],
		(unsigned long long)at[STAMP_FIRST], (unsigned long long)at[STAMP_START],
		(unsigned long long)busy);
	fd = open(behaviour.stamps, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || fd_write_full(fd, text, (size_t)n) < 0)
		log_line(LOG_LINE_ERROR, "cannot write %s: %s", behaviour.stamps, strerror(errno));
	behaviour.stamps[0] = '\0';
}
