/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/path.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/str.h"

/* 0 when the file can be run, else the errno that says why not. */
static int probe(const char *file)
{
	struct stat st;

	if (stat(file, &st) < 0)
		return errno;
	if (!S_ISREG(st.st_mode))
		return EACCES;
	return access(file, X_OK) < 0 ? errno : 0;
}

static int refuse(const char *name, int why, struct err *err)
{
	if (why == EACCES || why == EPERM)
		return err_sys(err, ERR_not_executable, EACCES, "cannot run '%s'", name);
	if (why == ENOENT || why == ENOTDIR || why == ENAMETOOLONG || why == ELOOP)
		return err_set(err, ERR_no_command, "the image has no command '%s'", name);
	return err_sys(err, ERR_operation_failed, why, "cannot run '%s'", name);
}

int path_find(const char *name, const char *path, char ret[PATH_MAX], struct err *err)
{
	char file[PATH_MAX];
	int why = ENOENT;

	if (strchr(name, '/')) {
		why = str_copy(file, sizeof(file), name) ? probe(file) : ENAMETOOLONG;
		if (why != 0)
			return refuse(name, why, err);
		memcpy(ret, file, PATH_MAX);
		return 0;
	}
	for (bool more = name[0] != '\0'; more; path += strcspn(path, ":") + 1) {
		size_t n = strcspn(path, ":");
		int r;

		more = path[n] == ':';
		/* An empty element is the current directory to POSIX, and a hole to everyone else;
		 * a relative one likewise. */
		if (path[0] != '/' ||
			!str_format(file, sizeof(file), "%.*s/%s", (int)n, path, name))
			continue;
		r = probe(file);
		if (r == 0) {
			memcpy(ret, file, PATH_MAX);
			return 0;
		}
		if (r == EACCES)
			why = r;
	}
	return refuse(name, why, err);
}
