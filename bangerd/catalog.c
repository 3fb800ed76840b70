/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/catalog.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/str.h"

#define SUFFIX	   ".conf"
#define SHOWN_PATH 350

void catalog_free(struct catalog *c)
{
	if (!c)
		return;
	free(c->entries);
	free(c);
}

static void note(struct catalog *c, const struct err *why)
{
	char clean[ERR_MSG_MAX];

	if (c->n_problems == ARRAY_SIZE(c->problems))
		return;
	(void)str_copy(clean, sizeof(clean), why->msg);
	str_sanitize(clean);
	if (text_parse(clean, &c->problems[c->n_problems]))
		c->n_problems++;
}

/* ---- reading ---- */

/* The names of a directory's files, in order. */
struct names {
	char v[CATALOG_FILES_MAX][64];
	size_t n;
};

static bool has_name(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (str_eq(names->v[i], name))
			return true;
	return false;
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int list(int dirfd, const char *dir, struct names *ret, struct err *err)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	int r = 0;

	ret->n = 0;
	if (!d) {
		err_sys(err, ERR_operation_failed, errno, "cannot read %s", dir);
		fd_closep(&fd);
		return -1;
	}
	while (r == 0 && (e = readdir(d))) {
		if (e->d_name[0] == '.' || !str_ends(e->d_name, SUFFIX))
			continue;
		if (ret->n == CATALOG_FILES_MAX)
			r = err_set(err, ERR_bad_request, "%s: there are more than %d files", dir,
				CATALOG_FILES_MAX);
		else if (!str_copy(ret->v[ret->n], sizeof(ret->v[0]), e->d_name))
			r = err_set(err, ERR_bad_request, "%s: the name '%.80s…' is too long", dir,
				e->d_name);
		else
			ret->n++;
	}
	closedir(d);
	qsort(ret->v, ret->n, sizeof(ret->v[0]), compare);
	return r;
}

static int load_file(struct catalog *c, int dirfd, const char *dir, const char *file, bool vendor,
	struct err *err)
{
	_cleanup_fd_ int fd = openat(dirfd, file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	_cleanup_free_ char *content = NULL;
	char name[SHOWN_PATH];
	struct stat st;
	size_t n;

	(void)str_format(name, sizeof(name), "%s/%s", dir, file);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open %s", name);
	if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return err_set(err, ERR_bad_request,
			"%s must be a regular file of root's that nobody else may write", name);
	if (fd_read_text(fd, CATALOG_FILE_BYTES, &content, &n, err) < 0)
		return err_wrap(err, "%s", name);
	if (strlen(content) != n)
		return err_set(err, ERR_bad_request, "%s has a NUL in it", name);
	return catalog_parse(c, name, file, vendor, content, err);
}

/* `over` (NULL: none) has files that replace those of the same name here; *ret is what is here. */
static void load_dir(
	struct catalog *c, const char *dir, const struct names *over, struct names *ret)
{
	_cleanup_fd_ int dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err err = ERR_INIT;

	ret->n = 0;
	if (dirfd < 0 && errno == ENOENT)
		return;
	if (dirfd < 0)
		err_sys(&err, ERR_operation_failed, errno, "cannot open %s", dir);
	else
		(void)list(dirfd, dir, ret, &err);
	if (err.code != ERR_none)
		note(c, &err);
	for (size_t i = 0; i < ret->n; i++) {
		err = (struct err)ERR_INIT;
		if (over && has_name(over, ret->v[i]))
			continue;
		if (load_file(c, dirfd, dir, ret->v[i], over != NULL, &err) < 0)
			note(c, &err);
	}
}

int catalog_load(const char *dir, const char *vendor_dir, struct catalog **ret, struct err *err)
{
	struct catalog *c = calloc(1, sizeof(*c));
	struct names own, vendor;

	if (!c)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read the catalogs");
	load_dir(c, dir, NULL, &own);
	load_dir(c, vendor_dir, &own, &vendor);
	*ret = c;
	return 0;
}

/* ---- asking ---- */

int catalog_find(const struct catalog *c, enum catalog_kind kind, const char *name,
	const struct catalog_entry **ret, struct err *err)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct catalog_entry *e = &c->entries[i];

		if (e->kind != kind || (name ? !str_eq(e->name, name) : !e->preferred))
			continue;
		*ret = e;
		return 1;
	}
	/* What could not be there is not missed. */
	if (c->n_problems == 0 || (name && !catalog_is_name(name)))
		return 0;
	return err_set(err, ERR_bad_request, "a catalog is broken, and '%s' may be in it: %s",
		name ? name : "the preferred kernel", c->problems[0].s);
}
