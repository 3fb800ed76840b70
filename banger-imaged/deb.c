/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/deb.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "banger-imaged/expand.h"
#include "common/str.h"

#define BLOCK 65536

static const char magic[] = "!<arch>\ndebian-binary";

bool deb_is(const void *p, size_t n)
{
	return n >= sizeof(magic) - 1 && memcmp(p, magic, sizeof(magic) - 1) == 0;
}

static void archive_freep(struct archive **a)
{
	archive_read_free(*a);
}

/* The member "debian-binary" says the format's version: "2.0\n", or another 2.x that adds members
 * which readers may pass over. */
static int check_version(struct archive *outer, struct err *err)
{
	struct archive_entry *e;
	char version[8];
	la_ssize_t n;

	if (archive_read_next_header(outer, &e) != ARCHIVE_OK)
		return expand_fail(outer, ERR_bad_input, "the package", err);
	n = archive_read_data(outer, version, sizeof(version));
	if (n < 4 || memcmp(version, "2.", 2) != 0)
		return err_set(err, ERR_bad_input, "the package is not of format 2");
	return 0;
}

static int find_data(struct archive *outer, struct err *err)
{
	struct archive_entry *e;

	/* debian-binary, control.tar, data.tar; what begins with _ may stand between. */
	for (int i = 0; i < 16; i++) {
		int r = archive_read_next_header(outer, &e);
		const char *name;

		if (r == ARCHIVE_EOF)
			break;
		if (r != ARCHIVE_OK)
			return expand_fail(outer, ERR_bad_input, "the package", err);
		name = archive_entry_pathname(e);
		if (name && str_starts(name, "data.tar"))
			return 0;
	}
	return err_set(err, ERR_bad_input, "the package has no data.tar");
}

struct feed {
	struct archive *outer;
	uint64_t size;
	const struct progress *progress;
	uint8_t block[BLOCK];
};

static la_ssize_t feed_read(struct archive *inner, void *ctx, const void **ret)
{
	struct feed *f = ctx;
	la_ssize_t n = archive_read_data(f->outer, f->block, sizeof(f->block));

	if (n < 0) {
		archive_set_error(inner, EIO, "%s", "the package is truncated");
		return -1;
	}
	progress_tell(
		f->progress, job_stage_read, (uint64_t)archive_filter_bytes(f->outer, 0), f->size);
	*ret = f->block;
	return n;
}

/* An entry's name as a path beneath the root, or NULL when it leaves the root or is empty. */
static const char *tame(const char *path)
{
	if (!path)
		return NULL;
	while (str_starts(path, "./"))
		path += 2;
	if (path[0] == '/' || str_eq(path, "..") || str_starts(path, "../") ||
		strstr(path, "/../") || str_ends(path, "/.."))
		return NULL;
	return path;
}

static int check_expanded(struct archive *inner, struct err *err)
{
	if (archive_filter_bytes(inner, 0) > (la_int64_t)DEB_EXPANDED_MAX)
		return err_set(err, ERR_bad_input,
			"the package expands to more than %llu MiB, which is the limit",
			(unsigned long long)(DEB_EXPANDED_MAX >> 20));
	return 0;
}

/* Pass over what the visitor left; archive_read_data_skip() would do it without a limit. */
static int skip_rest(struct archive *inner, struct err *err)
{
	const void *p;
	size_t n;
	la_int64_t off;
	int r;

	while ((r = archive_read_data_block(inner, &p, &n, &off)) == ARCHIVE_OK)
		if (check_expanded(inner, err) < 0)
			return -1;
	return r == ARCHIVE_EOF ? 0 : expand_fail(inner, ERR_bad_input, "the package", err);
}

static int visit_entry(struct archive *inner, struct archive_entry *e, deb_visitor visit, void *ctx,
	struct err *err)
{
	struct deb_file f = { .path = tame(archive_entry_pathname(e)), .archive = inner };

	if (!f.path)
		return err_set(err, ERR_bad_input, "the package has a path outside of its root");
	if (archive_entry_filetype(e) == AE_IFREG && !archive_entry_hardlink(e)) {
		if (!archive_entry_size_is_set(e) || archive_entry_size(e) < 0)
			return err_set(err, ERR_bad_input, "the package has a file without size");
		f.size = (uint64_t)archive_entry_size(e);
		if (visit(ctx, &f, err) < 0)
			return -1;
	}
	return skip_rest(inner, err);
}

static int walk_data(struct archive *inner, deb_visitor visit, void *ctx, struct err *err)
{
	struct archive_entry *e;

	for (int i = 0; i < DEB_ENTRIES_MAX; i++) {
		int r = archive_read_next_header(inner, &e);

		if (r == ARCHIVE_EOF)
			return 0;
		if (r != ARCHIVE_OK)
			return expand_fail(inner, ERR_bad_input, "the package", err);
		if (check_expanded(inner, err) < 0 || visit_entry(inner, e, visit, ctx, err) < 0)
			return -1;
	}
	return err_set(err, ERR_bad_input, "the package has more than %d entries", DEB_ENTRIES_MAX);
}

int deb_walk(int fd, uint64_t size, deb_visitor visit, void *ctx, const struct progress *progress,
	struct err *err)
{
	_cleanup_(archive_freep) struct archive *outer = archive_read_new();
	_cleanup_free_ struct feed *feed = malloc(sizeof(*feed));
	_cleanup_(archive_freep) struct archive *inner = archive_read_new();

	if (!outer || !inner || !feed)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read the package");
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot read the package");
	if (archive_read_support_format_ar(outer) != ARCHIVE_OK ||
		archive_read_open_fd(outer, fd, BLOCK) != ARCHIVE_OK)
		return expand_fail(outer, ERR_bad_input, "the package", err);
	if (check_version(outer, err) < 0 || find_data(outer, err) < 0)
		return -1;
	feed->outer = outer;
	feed->size = size;
	feed->progress = progress;
	if (expand_filters(inner, err) < 0)
		return -1;
	if (archive_read_support_format_tar(inner) != ARCHIVE_OK ||
		archive_read_open(inner, feed, NULL, feed_read, NULL) != ARCHIVE_OK)
		return expand_fail(inner, ERR_bad_input, "the package", err);
	return walk_data(inner, visit, ctx, err);
}

int deb_read(const struct deb_file *f, size_t limit, uint8_t **ret, struct err *err)
{
	_cleanup_free_ uint8_t *p = NULL;
	la_ssize_t n;

	if (f->size > limit)
		return err_set(err, ERR_bad_input, "%s is larger than %zu MiB, which is the limit",
			f->path, limit >> 20);
	p = malloc(f->size + 1);
	if (!p)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read %s", f->path);
	n = archive_read_data(f->archive, p, f->size);
	if (n < 0)
		return expand_fail(f->archive, ERR_bad_input, f->path, err);
	if ((uint64_t)n != f->size)
		return err_set(err, ERR_bad_input, "%s is truncated", f->path);
	*ret = TAKE_PTR(p);
	return 0;
}
