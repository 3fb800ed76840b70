/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/image_source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "banger-imaged/archive_index.h"
#include "banger-imaged/ext4_data.h"
#include "banger-imaged/flow.h"
#include "banger-imaged/tar.h"
#include "common/fd.h"
#include "common/ipc.h"
#include "common/proto_source.h"
#include "common/str.h"

#define COPY_SIZE (512U << 10)
/* An archive's first entries tell a root file system, if it is compressed and is to be told. */
#define PEEK_ENTRIES 16

struct spool {
	int fd;
	uint64_t at;
};

/* All that the decoder gives, to the end of the spool. */
static int spool_copy(struct spool *s, struct decoder *d, const struct input *in,
	const struct progress *progress, const struct image_limits *limits, uint64_t *ret_size,
	struct err *err)
{
	_cleanup_free_ uint8_t *buf = malloc(COPY_SIZE);
	uint64_t total = 0;
	size_t n = 0;

	if (!buf)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read the input");
	do {
		if (decoder_read(d, buf, COPY_SIZE, &n, err) < 0)
			return -1;
		if (total + n > limits->expanded)
			return err_set(err, ERR_bad_input, "the input is larger than %llu GiB",
				(unsigned long long)(limits->expanded >> 30));
		if (fd_pwrite_full(s->fd, buf, n, s->at + total) < 0)
			return ext4_write_error(errno, err);
		total += n;
		progress_tell(progress, job_stage_read, in->at, in->sequential ? 0 : in->end);
	} while (n == COPY_SIZE);
	s->at += (total + 4095) / 4096 * 4096;
	*ret_size = total;
	return 0;
}

static int spool_input(struct spool *s, struct input *in, enum compression c,
	const struct progress *progress, const struct image_limits *limits, uint64_t *ret_size,
	struct err *err)
{
	_cleanup_(decoder_closep) struct decoder *d = NULL;

	return decoder_open(in, c, &d, err) < 0
		       ? -1
		       : spool_copy(s, d, in, progress, limits, ret_size, err);
}

static int detect_compression(struct image_source *s, struct err *err)
{
	uint8_t head[6];
	ssize_t n = fd_pread_full(s->fd, head, s->size < 6 ? (size_t)s->size : 6, s->at);

	if (n < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot read the input");
	if (n == 0)
		return err_set(err, ERR_bad_input, "the input is empty");
	s->compression = compression_of(head, (size_t)n);
	return 0;
}

/* A decoder as a flow. */
struct decoder_flow {
	struct flow flow;
	struct decoder *d;
	uint8_t buf[FILE_FLOW_BUF];
};

static int decoder_next(struct flow *f, const uint8_t **ret_p, size_t *ret_n, struct err *err)
{
	struct decoder_flow *df = (struct decoder_flow *)f;

	*ret_p = df->buf;
	return decoder_read(df->d, df->buf, sizeof(df->buf), ret_n, err);
}

/* Whether the first entries of a compressed archive show a root file system: spares the spool. */
static int peek_rootfs(
	const struct image_source *s, const struct image_limits *limits, bool *ret, struct err *err)
{
	_cleanup_free_ struct decoder_flow *f = calloc(1, sizeof(*f));
	_cleanup_(decoder_closep) struct decoder *d = NULL;
	_cleanup_(tar_closep) struct tar *t = NULL;
	const struct tar_entry *e = NULL;
	struct input in;

	if (!f)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read the input");
	input_range(&in, s->fd, s->at, s->size);
	if (decoder_open(&in, s->compression, &d, err) < 0)
		return -1;
	f->flow.next = decoder_next;
	f->d = d;
	if (tar_open(&f->flow, limits, &t, err) < 0)
		return -1;
	*ret = false;
	for (unsigned i = 0; i < PEEK_ENTRIES && !*ret; i++) {
		if (tar_next(t, &e, err) < 0)
			return -1;
		if (!e || e->stored > (16U << 20))
			break;
		*ret = archive_name_is_rootfs(e->name);
	}
	return 0;
}

static int detect_kind(struct image_source *s, const struct image_limits *limits, struct err *err)
{
	struct archive_index x = { 0 };

	if (archive_index_read(&x, s->fd, s->at, s->size, true, limits, err) < 0)
		return err_wrap(err, "the input is neither an image nor a tar archive");
	s->kind = image_kind_rootfs;
	if (!x.rootfs &&
		(archive_index_find(&x, "oci-layout") || archive_index_find(&x, "index.json") ||
			archive_index_first(&x, "blobs/sha256/")))
		s->kind = image_kind_oci_archive;
	else if (!x.rootfs && archive_index_find(&x, "manifest.json"))
		s->kind = image_kind_docker_archive;
	archive_index_finish(&x);
	return 0;
}

static int open_file(struct image_source *s, enum image_kind kind, struct spool *spool,
	const struct progress *progress, const struct image_limits *limits, struct err *err)
{
	struct image_source packed;
	struct input in;
	bool rootfs = kind == image_kind_rootfs;

	if (detect_compression(s, err) < 0)
		return -1;
	if (kind == image_kind_auto && s->compression != COMPRESSION_NONE &&
		peek_rootfs(s, limits, &rootfs, err) < 0)
		return err_wrap(err, "the input is neither an image nor a tar archive");
	s->kind = rootfs ? image_kind_rootfs : kind;
	packed = *s;
	if (!rootfs && s->compression != COMPRESSION_NONE) {
		input_range(&in, s->fd, s->at, s->size);
		s->fd = spool->fd;
		s->at = spool->at;
		s->compression = COMPRESSION_NONE;
		if (spool_input(spool, &in, packed.compression, progress, limits, &s->size, err) <
			0)
			return -1;
	}
	if (s->kind == image_kind_auto && detect_kind(s, limits, err) < 0)
		return -1;
	/* Of a root file system the bytes as they came are what it is called by. */
	if (s->kind == image_kind_rootfs) {
		packed.kind = s->kind;
		*s = packed;
	}
	return 0;
}

static int open_pipe(struct image_source *s, enum image_kind kind, struct spool *spool,
	const struct progress *progress, const struct image_limits *limits, struct err *err)
{
	uint64_t at = spool->at;
	struct input in;

	input_pipe(&in, s->fd, -1);
	if (spool_input(spool, &in, COMPRESSION_RAW, progress, limits, &s->size, err) < 0)
		return -1;
	s->fd = spool->fd;
	s->at = at;
	return open_file(s, kind, spool, progress, limits, err);
}

static int open_directory(
	struct image_source *s, enum image_kind kind, int *source, struct err *err)
{
	if (kind != image_kind_auto && kind != image_kind_oci_layout)
		return err_set(err, ERR_bad_request, "a directory can only be an OCI image layout");
	s->kind = image_kind_oci_layout;
	return ipc_open(TAKE_FD(*source), &source_protocol, &s->ch, err);
}

int image_source_open(const struct progress *progress, enum image_kind kind, int *source, int spool,
	const struct image_limits *limits, struct image_source *ret, struct err *err)
{
	struct image_source s = { .fd = *source, .kind = kind };
	struct spool sp = { .fd = spool };
	struct stat st;
	int r;

	if (fstat(*source, &st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot look at the input");
	if (S_ISSOCK(st.st_mode)) {
		r = open_directory(&s, kind, source, err);
	} else if (kind == image_kind_oci_layout) {
		r = err_set(err, ERR_bad_request, "an OCI image layout is a directory");
	} else if (S_ISREG(st.st_mode)) {
		s.size = (uint64_t)st.st_size;
		r = open_file(&s, kind, &sp, progress, limits, err);
	} else if (S_ISFIFO(st.st_mode)) {
		s.pipe = kind == image_kind_rootfs;
		r = s.pipe ? 0 : open_pipe(&s, kind, &sp, progress, limits, err);
	} else {
		r = err_set(err, ERR_bad_request, "the input is neither a file nor a pipe");
	}
	if (r == 0)
		*ret = s;
	return r;
}

void image_source_close(struct image_source *s)
{
	ipc_close(s->ch);
	s->ch = NULL;
}
