/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "banger-imaged/cache_impl.h"
#include "common/fd.h"
#include "common/str.h"

static int list(int at, const char *name, DIR **ret)
{
	int fd = fd_open_beneath(at, name, O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		fd_closep(&fd);
		return -1;
	}
	*ret = d;
	return 0;
}

static void list_end(DIR **d)
{
	if (*d)
		closedir(*d);
}
#define _cleanup_list_ _cleanup_(list_end)

static bool is_dots(const char *name)
{
	return str_eq(name, ".") || str_eq(name, "..");
}

/* Count one file, and remove it if so. Who took it away before us counts it. */
static int take_file(
	int dir, const char *name, bool remove, struct cache_figures *f, struct err *err)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : cache_failed(err, errno, "look at", name);
	if (remove && unlinkat(dir, name, 0) < 0)
		return errno == ENOENT ? 0 : cache_failed(err, errno, "remove", name);
	f->bytes += (uint64_t)st.st_size;
	f->blobs++;
	return 0;
}

static int take_files(
	int at, const char *name, bool remove, struct cache_figures *f, struct err *err)
{
	_cleanup_list_ DIR *d = NULL;
	const struct dirent *e;

	if (list(at, name, &d) < 0)
		return errno == ENOENT ? 0 : cache_failed(err, errno, "read", name);
	while ((e = readdir(d)))
		if (!is_dots(e->d_name) && take_file(dirfd(d), e->d_name, remove, f, err) < 0)
			return -1;
	return 0;
}

static int remove_dir(int at, const char *name, struct err *err)
{
	/* A blob that was put there just before it was taken aside stays for the next prune. */
	if (unlinkat(at, name, AT_REMOVEDIR) < 0 && errno != ENOENT && errno != ENOTEMPTY)
		return cache_failed(err, errno, "remove", name);
	return 0;
}

/* A tree of blobs: directories of files. */
static int take_tree(const struct cache *c, const char *name, bool remove, struct cache_figures *f,
	struct err *err)
{
	_cleanup_list_ DIR *d = NULL;
	const struct dirent *e;

	if (list(c->dirfd, name, &d) < 0)
		return errno == ENOENT ? 0 : cache_failed(err, errno, "read", name);
	while ((e = readdir(d))) {
		if (is_dots(e->d_name))
			continue;
		if (take_files(dirfd(d), e->d_name, remove, f, err) < 0 ||
			(remove && remove_dir(dirfd(d), e->d_name, err) < 0))
			return -1;
	}
	return remove ? remove_dir(c->dirfd, name, err) : 0;
}

/* A part that nobody writes. Its lock is held until it is removed: nobody takes it up meanwhile. */
static int take_part(const struct cache *c, const char *name, bool remove, struct cache_figures *f,
	struct err *err)
{
	char path[sizeof(CACHE_PARTS) + 256];
	_cleanup_fd_ int fd = -1;

	if (!str_format(path, sizeof(path), CACHE_PARTS "/%s", name))
		return err_set(err, ERR_operation_failed, "blob cache: a part's name is too long");
	fd = fd_open_beneath(c->dirfd, path, O_RDWR | O_NONBLOCK, 0);
	if (fd < 0)
		return errno == ENOENT ? 0 : cache_failed(err, errno, "open", path);
	if (!cache_lock(fd) || !cache_is_at(c, path, fd))
		return 0;
	return take_file(c->dirfd, path, remove, f, err);
}

static int take_parts(const struct cache *c, bool remove, struct cache_figures *f, struct err *err)
{
	_cleanup_list_ DIR *d = NULL;
	const struct dirent *e;

	if (list(c->dirfd, CACHE_PARTS, &d) < 0)
		return errno == ENOENT ? 0 : cache_failed(err, errno, "read", CACHE_PARTS);
	while ((e = readdir(d)))
		if (!is_dots(e->d_name) && take_part(c, e->d_name, remove, f, err) < 0)
			return -1;
	return 0;
}

/* What prunes took aside, this one and those that ended in the middle. */
static int take_gone(const struct cache *c, bool remove, struct cache_figures *f, struct err *err)
{
	_cleanup_list_ DIR *d = NULL;
	const struct dirent *e;

	if (list(c->dirfd, ".", &d) < 0)
		return cache_failed(err, errno, "read", "its directory");
	while ((e = readdir(d)))
		if (str_starts(e->d_name, CACHE_GONE) &&
			take_tree(c, e->d_name, remove, f, err) < 0)
			return -1;
	return 0;
}

int cache_usage(struct cache *c, struct cache_figures *ret, struct err *err)
{
	struct cache_figures f = { 0 };

	if (take_tree(c, CACHE_BLOBS, false, &f, err) < 0 || take_parts(c, false, &f, err) < 0 ||
		take_gone(c, false, &f, err) < 0)
		return -1;
	*ret = f;
	return 0;
}

int cache_prune(struct cache *c, struct cache_figures *ret, struct err *err)
{
	struct cache_figures f = { 0 };
	char aside[sizeof(CACHE_GONE) + VM_ID_LEN];

	(void)str_format(aside, sizeof(aside), CACHE_GONE "%s", vm_id_random().s);
	/* Another prune may have it just now. */
	if (renameat(c->dirfd, CACHE_BLOBS, c->dirfd, aside) < 0 && errno != ENOENT)
		return cache_failed(err, errno, "take aside", CACHE_BLOBS);
	if (cache_make(c, err) < 0 || take_gone(c, true, &f, err) < 0 ||
		take_parts(c, true, &f, err) < 0)
		return -1;
	*ret = f;
	return 0;
}
