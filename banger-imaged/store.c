/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "banger-imaged/archive_index.h"
#include "banger-imaged/hash.h"
#include "common/fd.h"
#include "common/ipc.h"
#include "common/proto_source.h"
#include "common/str.h"

#define OPEN_MAX_FILES 160 /* an index, manifests, a configuration, the layers */

struct store {
	int fd; /* of the archive */
	struct archive_index index;
	struct ipc *ch; /* of the directory */
	int *fds;
	uint32_t n_fds;
};

int store_open_archive(int fd, uint64_t at, uint64_t size, bool layout,
	const struct image_limits *limits, struct store **ret, struct err *err)
{
	struct store *s = calloc(1, sizeof(*s));

	if (!s)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read the archive");
	s->fd = fd;
	if (archive_index_read(&s->index, fd, at, size, false, limits, err) < 0 ||
		archive_index_check(&s->index, layout, err) < 0) {
		store_close(s);
		return -1;
	}
	*ret = s;
	return 0;
}

int store_open_directory(struct ipc *ch, struct store **ret, struct err *err)
{
	struct store *s = calloc(1, sizeof(*s));

	if (s)
		s->fds = calloc(OPEN_MAX_FILES, sizeof(*s->fds));
	if (!s || !s->fds) {
		free(s);
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read the directory");
	}
	s->fd = -1;
	s->ch = ch;
	*ret = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	archive_index_finish(&s->index);
	fd_close_many(s->fds, s->n_fds);
	free(s->fds);
	free(s);
}

/* What the CLI sent is checked as if an attacker had: it must be readable, and a plain file. */
static int find_in_directory(
	struct store *s, const char *path, int cancel_fd, struct blob *ret, struct err *err)
{
	struct source_file_open_in in = { 0 };
	struct source_file_open_out out = { 0 };
	_cleanup_fd_ int fd = -1;
	struct stat st;
	int flags;

	if (s->n_fds == OPEN_MAX_FILES || !str_copy(in.path.s, sizeof(in.path.s), path))
		return err_set(err, ERR_bad_input, "the image has too many files");
	if (ipc_call_long(s->ch, source_msg_file_open, &in, &out, NULL, NULL, cancel_fd, -1, err) <
		0)
		return err_wrap(err, "'%s'", path);
	fd = out.file;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fstat(fd, &st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot look at '%s'", path);
	if (!S_ISREG(st.st_mode) || (flags & O_ACCMODE) == O_WRONLY || flags & O_PATH)
		return err_set(err, ERR_bad_input, "'%s' is no plain file", path);
	*ret = (struct blob){ .fd = fd, .size = (uint64_t)st.st_size };
	s->fds[s->n_fds++] = TAKE_FD(fd);
	return 0;
}

bool store_waits(const struct store *s)
{
	return s->ch != NULL;
}

int store_find(struct store *s, const char *path, int cancel_fd, struct blob *ret, struct err *err)
{
	const struct archive_file *f;

	if (s->ch)
		return find_in_directory(s, path, cancel_fd, ret, err);
	f = archive_index_find(&s->index, path);
	if (!f)
		return err_set(err, ERR_not_found, "'%s' is not in the archive", path);
	if (f->twice)
		return err_set(err, ERR_bad_input, "'%s' stands twice in the archive", path);
	if (!f->plain)
		return err_set(err, ERR_bad_input, "'%s' is no plain file in the archive", path);
	*ret = (struct blob){ .fd = s->fd, .at = f->at, .size = f->size };
	return 0;
}

const char *store_blob_path(const digest *d, char buf[BLOB_PATH_MAX])
{
	const char *colon = strchr(d->s, ':');

	(void)str_format(buf, BLOB_PATH_MAX, "blobs/%.*s/%s", (int)(colon - d->s), d->s, colon + 1);
	return buf;
}

static int check_digest(const char *path, const char *p, size_t n, const digest *want,
	digest *ret_digest, struct err *err)
{
	struct hash h = { 0 };
	digest got;
	int r;

	if (hash_init(&h, want, err) < 0)
		return -1;
	r = hash_update(&h, p, n, err);
	if (r == 0)
		r = hash_digest(&h, &got, err);
	hash_finish(&h);
	if (r < 0)
		return -1;
	if (want && strcmp(got.s, want->s) != 0)
		return err_set(err, ERR_bad_input,
			"'%s' has the digest %s, not %s as the image says", path, got.s, want->s);
	if (ret_digest)
		*ret_digest = got;
	return 0;
}

int store_load(struct store *s, const char *path, const digest *want, uint64_t size,
	const struct image_limits *limits, char **ret, size_t *ret_n, digest *ret_digest,
	struct err *err)
{
	_cleanup_free_ char *buf = NULL;
	struct blob b = { 0 };
	ssize_t n;

	if (store_find(s, path, -1, &b, err) < 0)
		return -1;
	if (size != STORE_ANY_SIZE && b.size != size)
		return err_set(err, ERR_bad_input,
			"'%s': its size is %llu bytes, not %llu as the image says", path,
			(unsigned long long)b.size, (unsigned long long)size);
	if (b.size > limits->manifest)
		return err_set(err, ERR_bad_input, "'%s' is larger than %u MiB", path,
			limits->manifest >> 20);
	buf = malloc((size_t)b.size + 1);
	if (!buf)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read '%s'", path);
	n = fd_pread_full(b.fd, buf, (size_t)b.size, b.at);
	if (n < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot read '%s'", path);
	if ((uint64_t)n != b.size)
		return err_set(err, ERR_bad_input, "'%s' became shorter while it was read", path);
	buf[n] = '\0';
	if (check_digest(path, buf, (size_t)n, want, ret_digest, err) < 0)
		return -1;
	*ret = TAKE_PTR(buf);
	*ret_n = (size_t)n;
	return 0;
}
