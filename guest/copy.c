/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"

/* Directories within directories; each holds two open while it is gone through. */
#define DEPTH_MAX 200

/* Kernel: XATTR_LIST_MAX and XATTR_SIZE_MAX. */
#define XATTR_MAX 65536

struct level {
	DIR *from;
	int to; /* or -1, when it is to be removed */
	struct stat st;
	char name[NAME_MAX + 1];
};

struct walk {
	const struct copy_owner *owner;
	struct level levels[DEPTH_MAX];
	size_t depth;
	char names[XATTR_MAX], value[XATTR_MAX];
};

static int failed(const char *what, const char *name, struct err *err)
{
	int sys = errno;

	return err_sys(err, sys == ENOSPC || sys == EDQUOT ? ERR_no_space : ERR_operation_failed,
		sys, "cannot %s '%s'", what, name);
}

static struct level *top(struct walk *w)
{
	return &w->levels[w->depth - 1];
}

static void pop(struct walk *w)
{
	struct level *l = top(w);

	closedir(l->from);
	fd_closep(&l->to);
	w->depth--;
}

static void walk_end(struct walk **w)
{
	while (*w && (*w)->depth > 0)
		pop(*w);
	free(*w);
}

static struct walk *walk_begin(struct err *err)
{
	struct walk *w = calloc(1, sizeof(*w));

	if (!w)
		err_sys(err, ERR_operation_failed, ENOMEM, "cannot go through a directory");
	return w;
}

static int too_deep(const char *name, struct err *err)
{
	return err_set(
		err, ERR_bad_input, "'%s' is nested too deeply: %d directories", name, DEPTH_MAX);
}

/* Takes both fds. */
static int push(struct walk *w, int from, int to, const char *name, struct err *err)
{
	struct level l = { .to = to };

	if (from < 0 || fstat(from, &l.st) < 0) {
		failed("open", name, err);
	} else if (w->depth == DEPTH_MAX) {
		too_deep(name, err);
	} else if (!str_copy(l.name, sizeof(l.name), name) || !(l.from = fdopendir(from))) {
		failed("list", name, err);
	} else {
		w->levels[w->depth++] = l;
		return 0;
	}
	fd_closep(&from);
	fd_closep(&to);
	return -1;
}

/* The next entry of the directory on top, NULL at its end; "." and ".." are none. */
static struct dirent *next(struct walk *w)
{
	struct dirent *e;

	do
		e = readdir(top(w)->from);
	while (e && (str_eq(e->d_name, ".") || str_eq(e->d_name, "..")));
	return e;
}

/* ---- copying ---- */

/* After the owner is set, which takes capabilities away. */
static int copy_xattrs(struct walk *w, int from, int to)
{
	ssize_t n = flistxattr(from, w->names, sizeof(w->names));

	if (n < 0)
		return errno == EOPNOTSUPP ? 0 : -1;
	for (const char *name = w->names; name < w->names + n; name += strlen(name) + 1) {
		ssize_t size = fgetxattr(from, name, w->value, sizeof(w->value));

		if (size < 0 || fsetxattr(to, name, w->value, (size_t)size, 0) < 0)
			return -1;
	}
	return 0;
}

static int copy_metadata(
	struct walk *w, int from, int to, const struct stat *st, const char *name, struct err *err)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	uid_t uid = w->owner ? w->owner->uid : st->st_uid;
	gid_t gid = w->owner ? w->owner->gid : st->st_gid;

	if (fchown(to, uid, gid) < 0 || fchmod(to, st->st_mode & 07777) < 0 ||
		copy_xattrs(w, from, to) < 0 || futimens(to, times) < 0)
		return failed("copy the attributes of", name, err);
	return 0;
}

/* The bytes of [at, end), both files' places the same. */
static int copy_range(int from, int to, off_t at, off_t end)
{
	if (lseek(to, at, SEEK_SET) < 0)
		return -1;
	while (at < end) {
		ssize_t n = sendfile(to, from, &at, (size_t)(end - at));

		if (n == 0)
			return 0; /* shorter by now */
		if (n < 0 && errno != EINTR)
			return -1;
	}
	return 0;
}

static int copy_bytes(int from, int to, off_t size)
{
	off_t at = 0, data, hole;

	while (at < size) {
		data = lseek(from, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break;
		hole = data < 0 ? -1 : lseek(from, data, SEEK_HOLE);
		if (hole < 0 || copy_range(from, to, data, hole) < 0)
			return -1;
		at = hole;
	}
	return ftruncate(to, size);
}

static int copy_file(struct walk *w, int from_dir, const char *name, struct err *err)
{
	_cleanup_fd_ int from =
		openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	_cleanup_fd_ int to = -1;
	struct stat st;

	if (from < 0 || fstat(from, &st) < 0)
		return failed("open", name, err);
	to = openat(top(w)->to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0 || copy_bytes(from, to, st.st_size) < 0)
		return failed("copy", name, err);
	return copy_metadata(w, from, to, &st, name, err);
}

/* Links, FIFOs, devices, sockets: their names are all there is. */
static int copy_node(
	struct walk *w, int from_dir, const char *name, const struct stat *st, struct err *err)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	uid_t uid = w->owner ? w->owner->uid : st->st_uid;
	gid_t gid = w->owner ? w->owner->gid : st->st_gid;
	int to = top(w)->to, r;
	char target[PATH_MAX];
	ssize_t n;

	if (S_ISLNK(st->st_mode)) {
		n = readlinkat(from_dir, name, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		r = n < 0 ? -1 : symlinkat(target, to, name);
	} else {
		r = mknodat(to, name, st->st_mode, st->st_rdev);
	}
	if (r < 0 || fchownat(to, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ||
		(!S_ISLNK(st->st_mode) && fchmodat(to, name, st->st_mode & 07777, 0) < 0) ||
		utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return failed("copy", name, err);
	return 0;
}

static int copy_entry(struct walk *w, const char *name, struct err *err)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int from_dir = dirfd(top(w)->from), to_dir = top(w)->to, from, to;
	struct stat st;

	if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return failed("look at", name, err);
	if (S_ISREG(st.st_mode))
		return copy_file(w, from_dir, name, err);
	if (!S_ISDIR(st.st_mode))
		return copy_node(w, from_dir, name, &st, err);
	/* What is made can be removed again. */
	if (w->depth == DEPTH_MAX)
		return too_deep(name, err);
	if (mkdirat(to_dir, name, 0700) < 0)
		return failed("copy", name, err);
	from = openat(from_dir, name, flags);
	to = openat(to_dir, name, flags);
	if (to < 0) {
		failed("open", name, err);
		fd_closep(&from);
		return -1;
	}
	return push(w, from, to, name, err);
}

int copy_tree(int from, int to, const struct copy_owner *owner, struct err *err)
{
	_cleanup_(walk_end) struct walk *w = walk_begin(err);

	if (!w)
		return -1;
	w->owner = owner;
	if (push(w, openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		    fcntl(to, F_DUPFD_CLOEXEC, 3), ".", err) < 0)
		return -1;
	while (w->depth > 0) {
		struct dirent *e = next(w);
		struct level *l = top(w);

		if (e && copy_entry(w, e->d_name, err) < 0)
			return -1;
		if (e)
			continue;
		if (copy_metadata(w, dirfd(l->from), l->to, &l->st, l->name, err) < 0)
			return -1;
		pop(w);
	}
	return 0;
}

/* ---- removing ---- */

static int remove_entry(struct walk *w, const char *name, struct err *err)
{
	int dir = dirfd(top(w)->from);

	if (unlinkat(dir, name, 0) == 0)
		return 0;
	if (errno != EISDIR)
		return failed("remove", name, err);
	return push(w, openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), -1, name,
		err);
}

int copy_remove(int dir, const char *name, struct err *err)
{
	_cleanup_(walk_end) struct walk *w = NULL;
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct dirent *e;

	if (fd < 0 && errno == ENOENT)
		return 0;
	w = walk_begin(err);
	if (!w) {
		fd_closep(&fd);
		return -1;
	}
	if (push(w, fd, -1, name, err) < 0)
		return -1;
	while (w->depth > 0) {
		char gone[NAME_MAX + 1];

		while ((e = next(w)))
			if (remove_entry(w, e->d_name, err) < 0)
				return -1;
		str_copy(gone, sizeof(gone), top(w)->name);
		pop(w);
		if (unlinkat(w->depth > 0 ? dirfd(top(w)->from) : dir, gone, AT_REMOVEDIR) < 0)
			return failed("remove", gone, err);
	}
	return 0;
}
