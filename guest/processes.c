/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"

#define KTHREADD 2

static void close_dirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* Does the process `pid` of `proc` run, as one of the users'? (proc(5), /proc/pid/stat) */
static bool runs(int proc, const char *pid)
{
	char path[64], text[256] = "", state;
	_cleanup_fd_ int fd = -1;
	const char *behind;
	int parent;

	if (!str_format(path, sizeof(path), "%s/stat", pid))
		return true;
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fd_read_full(fd, text, sizeof(text) - 1) <= 0)
		return false; /* gone meanwhile */
	/* The name in parentheses may hold any character. */
	behind = strrchr(text, ')');
	if (!behind || sscanf(behind + 1, " %c %d", &state, &parent) != 2)
		return true;
	return state != 'Z' && state != 'X' && parent != KTHREADD;
}

bool processes_any_left(int tree)
{
	int fd = openat(tree, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(close_dirp) DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	uint64_t pid;

	if (!d) {
		fd_closep(&fd);
		return true;
	}
	while ((e = readdir(d)))
		if (str_to_u64(e->d_name, KTHREADD + 1, INT32_MAX, &pid) &&
			pid != (uint64_t)getpid() && runs(dirfd(d), e->d_name))
			return true;
	return false;
}

bool processes_init_is_systemd(int tree)
{
	_cleanup_fd_ int fd = openat(tree, "proc/1/comm", O_RDONLY | O_CLOEXEC);
	char comm[32] = "";

	return fd >= 0 && fd_read_full(fd, comm, sizeof(comm) - 1) > 0 &&
	       str_starts(comm, "systemd");
}
