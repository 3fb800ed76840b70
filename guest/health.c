/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/health.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "common/fd.h"
#include "guest/clock.h"

/* A line "NAME:   12345 kB" of /proc/meminfo, in bytes. */
static uint64_t meminfo(const char *s, const char *name)
{
	const char *at = strstr(s, name);

	return at ? strtoull(at + strlen(name), NULL, 10) * 1024 : 0;
}

void health_measure(int tree, struct agent_health_out *out)
{
	_cleanup_fd_ int fd = openat(tree, "proc/meminfo", O_RDONLY | O_CLOEXEC);
	char s[4096] = "";
	struct statvfs v;

	out->uptime_ms = clock_ms();
	if (fd >= 0 && fd_read_full(fd, s, sizeof(s) - 1) > 0) {
		out->memory_total = meminfo(s, "MemTotal:");
		out->memory_available = meminfo(s, "MemAvailable:");
	}
	if (statvfs("/", &v) == 0) {
		out->disk_total = (uint64_t)v.f_blocks * v.f_frsize;
		out->disk_free = (uint64_t)v.f_bavail * v.f_frsize;
	}
}
