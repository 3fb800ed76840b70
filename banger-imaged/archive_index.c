/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/archive_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "banger-imaged/flow.h"
#include "banger-imaged/layer_path.h"
#include "banger-imaged/tar.h"
#include "common/str.h"

bool archive_name_is_rootfs(const char *name)
{
	/* Filesystem Hierarchy Standard 3.0, section 3, and lib's siblings. */
	static const char *const tops[] = { "bin", "boot", "dev", "etc", "home", "lib", "lib32",
		"lib64", "libx32", "media", "mnt", "opt", "proc", "root", "run", "sbin", "srv",
		"sys", "tmp", "usr", "var" };
	const char *top;
	size_t n;

	if (!layer_path_next(&name, &top, &n))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(tops); i++)
		if (strlen(tops[i]) == n && memcmp(tops[i], top, n) == 0)
			return true;
	return false;
}

/* The name without "./", "." and doubled slashes, on the heap. */
static char *normalize(const char *name)
{
	char *path = malloc(strlen(name) + 2);
	const char *part;
	size_t n, at = 0;

	if (!path)
		return NULL;
	/* An absolute name stays one, and is found by nobody. */
	if (name[0] == '/')
		path[at++] = '/';
	while (layer_path_next(&name, &part, &n)) {
		if (at > 0 && path[at - 1] != '/')
			path[at++] = '/';
		memcpy(path + at, part, n);
		at += n;
	}
	path[at] = '\0';
	return path;
}

static int add(struct archive_index *x, uint32_t *room, const struct tar_entry *e, struct err *err)
{
	struct archive_file *f;

	if (x->n == *room) {
		uint32_t more = *room ? *room * 2 : 64;

		f = realloc(x->files, more * sizeof(*f));
		if (!f)
			return err_sys(
				err, ERR_operation_failed, ENOMEM, "cannot read the archive");
		x->files = f;
		*room = more;
	}
	f = &x->files[x->n];
	*f = (struct archive_file){ .path = normalize(e->name), .at = e->data_at, .size = e->size };
	if (!f->path)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read the archive");
	f->plain = e->type == TAR_FILE && !e->sparse;
	x->n++;
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(
		((const struct archive_file *)a)->path, ((const struct archive_file *)b)->path);
}

static int read_entries(struct archive_index *x, struct tar *t, uint64_t base, bool detect,
	const struct image_limits *limits, struct err *err)
{
	const struct tar_entry *e;
	uint32_t room = 0;

	for (;;) {
		if (tar_next(t, &e, err) < 0)
			return -1;
		if (!e && !tar_has_end(t))
			return err_set(err, ERR_bad_input, "the tar archive has no end");
		if (!e)
			return 0;
		x->rootfs = detect &&
			    (archive_name_is_rootfs(e->name) || x->n == limits->archive_entries);
		if (x->rootfs)
			return 0;
		if (x->n == limits->archive_entries)
			return err_set(err, ERR_bad_input, "the archive has more than %u entries",
				limits->archive_entries);
		if (e->type != TAR_DIRECTORY && add(x, &room, e, err) < 0)
			return -1;
		if (e->type != TAR_DIRECTORY)
			x->files[x->n - 1].at += base;
	}
}

int archive_index_read(struct archive_index *x, int fd, uint64_t at, uint64_t size, bool detect,
	const struct image_limits *limits, struct err *err)
{
	_cleanup_free_ struct file_flow *flow = malloc(sizeof(*flow));
	struct archive_index index = { 0 };
	struct tar *t = NULL;
	int r;

	if (!flow)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read the archive");
	file_flow_init(flow, fd, at, size);
	if (tar_open(&flow->flow, limits, &t, err) < 0)
		return -1;
	r = read_entries(&index, t, at, detect, limits, err);
	tar_close(t);
	if (r < 0) {
		archive_index_finish(&index);
		return -1;
	}
	if (index.n > 0)
		qsort(index.files, index.n, sizeof(*index.files), by_path);
	for (uint32_t i = 1; i < index.n; i++)
		if (strcmp(index.files[i - 1].path, index.files[i].path) == 0)
			index.files[i - 1].twice = index.files[i].twice = true;
	*x = index;
	return 0;
}

void archive_index_finish(struct archive_index *x)
{
	for (uint32_t i = 0; i < x->n; i++)
		free(x->files[i].path);
	free(x->files);
	*x = (struct archive_index){ 0 };
}

const struct archive_file *archive_index_find(const struct archive_index *x, const char *path)
{
	const struct archive_file key = { .path = (char *)(uintptr_t)path };

	return x->n ? bsearch(&key, x->files, x->n, sizeof(*x->files), by_path) : NULL;
}

const struct archive_file *archive_index_first(const struct archive_index *x, const char *prefix)
{
	for (uint32_t i = 0; i < x->n; i++)
		if (str_starts(x->files[i].path, prefix))
			return &x->files[i];
	return NULL;
}

int archive_index_check(const struct archive_index *x, bool layout, struct err *err)
{
	for (uint32_t i = 0; i < x->n; i++) {
		const struct archive_file *f = &x->files[i];

		if (layer_path_check(f->path, false, err) < 0)
			return err_wrap(err, "the archive");
		if (layout && !f->plain && str_starts(f->path, "blobs/"))
			return err_set(err, ERR_bad_input,
				"'%s' is a link or device in the archive, no plain file", f->path);
	}
	return 0;
}
