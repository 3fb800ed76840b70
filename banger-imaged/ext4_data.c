/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/ext4_data.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "banger-imaged/ext4_place.h"
#include "common/fd.h"
#include "common/str.h"

#define STAGE	   (4U << 20)
#define ZERO_CHUNK (64U << 10)
#define EXTENT_MAX 32768U /* blocks, of an initialized extent */

struct ext4_data {
	int fd, flags; /* flags: as they were */
	uint8_t *stage;
	size_t fill;	      /* bytes in it, the open block included */
	uint64_t stage_block; /* where its first byte goes */
	uint64_t cursor;      /* behind the last block handed out */
	struct extents metadata;
	struct extents *x; /* of the file that is being written */
	bool open;	   /* its last block is in the stage and not full: … */
	uint32_t open_logical, open_fill;
	uint64_t pending; /* zeros since the start of the 64 KiB chunk, not written yet */
	uint64_t pending_end;
};

void extents_finish(struct extents *x)
{
	free(x->many);
	*x = (struct extents){ 0 };
}

uint64_t extents_blocks(const struct extents *x)
{
	const struct extent *list = extents_list(x);
	uint64_t sum = 0;

	for (uint32_t i = 0; i < x->n; i++)
		sum += list[i].length;
	return sum;
}

static int extents_grow(struct extents *x, struct err *err)
{
	struct extent *grown;
	uint32_t room;

	if (ckd_mul(&room, x->room ? x->room : 2U, 2U))
		return err_set(err, ERR_bad_input, "a file is in too many pieces");
	grown = realloc(x->many, room * sizeof(*grown));
	if (!grown)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot write a file");
	if (!x->many)
		grown[0] = x->one;
	x->many = grown;
	x->room = room;
	return 0;
}

static int extents_add(struct extents *x, uint64_t block, uint32_t logical, struct err *err)
{
	struct extent *list = x->many ? x->many : &x->one;
	struct extent *last = x->n ? &list[x->n - 1] : NULL;

	if (last && last->block + last->length == block &&
		last->logical + last->length == logical && last->length < EXTENT_MAX) {
		last->length++;
		return 0;
	}
	if (x->n > 0 && x->n >= x->room) {
		if (extents_grow(x, err) < 0)
			return -1;
		list = x->many;
	}
	list[x->n++] = (struct extent){ block, logical, 1 };
	return 0;
}

int ext4_data_open(int fd, struct ext4_data **ret, struct err *err)
{
	struct ext4_data *d = calloc(1, sizeof(*d));
	void *stage = NULL;

	if (!d || posix_memalign(&stage, EXT4_BLOCK, STAGE) != 0) {
		free(d);
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot write the image");
	}
	d->flags = fcntl(fd, F_GETFL);
	if (d->flags < 0) {
		int sys = errno;

		free(stage);
		free(d);
		return err_sys(err, ERR_operation_failed, sys, "cannot write the image");
	}
	/* Where it is refused (tmpfs), the page cache serves as well. */
	if (fcntl(fd, F_SETFL, d->flags | O_DIRECT) < 0)
		d->flags = -1;
	d->fd = fd;
	d->stage = stage;
	d->cursor = d->stage_block = ext4_place(0, 1);
	*ret = d;
	return 0;
}

void ext4_data_close(struct ext4_data *d)
{
	if (!d)
		return;
	ext4_data_buffered(d);
	extents_finish(&d->metadata);
	free(d->stage);
	free(d);
}

int ext4_write_error(int sys, struct err *err)
{
	if (sys == ENOSPC || sys == EDQUOT || sys == EFBIG)
		return err_sys(err, ERR_no_space, sys,
			"cannot write the image: make room where banger keeps its images");
	return err_sys(err, ERR_operation_failed, sys, "cannot write the image");
}

/* The stage, whole blocks of it, to the disk. */
static int write_stage(struct ext4_data *d, struct err *err)
{
	uint64_t at = d->stage_block * EXT4_BLOCK;
	int r = fd_pwrite_full(d->fd, d->stage, d->fill, at);

	/* Some file systems take the flag, and then not the write. */
	if (r < 0 && errno == EINVAL && d->flags >= 0) {
		ext4_data_buffered(d);
		r = fd_pwrite_full(d->fd, d->stage, d->fill, at);
	}
	if (r < 0)
		return ext4_write_error(errno, err);
	d->stage_block += d->fill / EXT4_BLOCK;
	d->fill = 0;
	return 0;
}

/* A fresh block at the end of the stage; its content is to be filled in by the caller. */
static int next_block(struct ext4_data *d, uint64_t *ret_block, struct err *err)
{
	uint64_t block = ext4_place(d->cursor, 1);

	if ((block != d->stage_block + d->fill / EXT4_BLOCK || d->fill == STAGE) &&
		write_stage(d, err) < 0)
		return -1;
	if (d->fill == 0)
		d->stage_block = block;
	d->fill += EXT4_BLOCK;
	d->cursor = block + 1;
	*ret_block = block;
	return 0;
}

static uint8_t *open_block(struct ext4_data *d)
{
	return d->stage + d->fill - EXT4_BLOCK;
}

static void close_block(struct ext4_data *d)
{
	if (d->open)
		memset(open_block(d) + d->open_fill, 0, EXT4_BLOCK - d->open_fill);
	d->open = false;
}

void ext4_data_begin(struct ext4_data *d, struct extents *x)
{
	d->x = x;
	d->pending = 0;
}

/* n bytes within one block, at `offset` of the file; p NULL: zeros. */
static int append(struct ext4_data *d, uint64_t offset, const uint8_t *p, size_t n, struct err *err)
{
	uint32_t logical = (uint32_t)(offset / EXT4_BLOCK), in = offset % EXT4_BLOCK;
	uint64_t block;
	uint8_t *dst;

	if (!d->open || d->open_logical != logical) {
		close_block(d);
		if (next_block(d, &block, err) < 0 || extents_add(d->x, block, logical, err) < 0)
			return -1;
		d->open = true;
		d->open_logical = logical;
		d->open_fill = 0;
	}
	dst = open_block(d);
	memset(dst + d->open_fill, 0, in - d->open_fill);
	if (p)
		memcpy(dst + in, p, n);
	else
		memset(dst + in, 0, n);
	d->open_fill = in + (uint32_t)n;
	return 0;
}

static int append_many(
	struct ext4_data *d, uint64_t offset, const uint8_t *p, uint64_t n, struct err *err)
{
	while (n > 0) {
		size_t k = EXT4_BLOCK - offset % EXT4_BLOCK;

		k = k < n ? k : (size_t)n;
		if (append(d, offset, p, k, err) < 0)
			return -1;
		offset += k;
		p = p ? p + k : NULL;
		n -= k;
	}
	return 0;
}

static bool all_zeros(const uint8_t *p, size_t n)
{
	/* Each byte equals the one before it, and the first is zero. */
	return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

static int flush_pending(struct ext4_data *d, struct err *err)
{
	uint64_t n = d->pending;

	d->pending = 0;
	return append_many(d, d->pending_end - n, NULL, n, err);
}

int ext4_data_put(struct ext4_data *d, uint64_t offset, const uint8_t *p, size_t n, struct err *err)
{
	if (d->pending > 0 && d->pending_end != offset && flush_pending(d, err) < 0)
		return -1;
	while (n > 0) {
		size_t k = ZERO_CHUNK - offset % ZERO_CHUNK;

		k = k < n ? k : n;
		if (d->pending == offset % ZERO_CHUNK && all_zeros(p, k)) {
			d->pending += k;
			d->pending_end = offset + k;
			if (d->pending == ZERO_CHUNK)
				d->pending = 0;
		} else if (flush_pending(d, err) < 0 || append_many(d, offset, p, k, err) < 0) {
			return -1;
		}
		offset += k;
		p += k;
		n -= k;
	}
	return 0;
}

void ext4_data_end(struct ext4_data *d)
{
	/* Zeros at a file's end from a chunk's start on are a hole, too. */
	close_block(d);
	d->pending = 0;
	d->x = NULL;
}

int ext4_data_block(
	struct ext4_data *d, const uint8_t block[4096], uint64_t *ret_block, struct err *err)
{
	uint64_t at;

	if (next_block(d, &at, err) < 0)
		return -1;
	memcpy(open_block(d), block, EXT4_BLOCK);
	*ret_block = at;
	/* `logical` only has to go on with the block, for neighbours to become one. */
	return extents_add(&d->metadata, at, (uint32_t)at, err);
}

const struct extents *ext4_data_metadata(const struct ext4_data *d)
{
	return &d->metadata;
}

void ext4_data_buffered(struct ext4_data *d)
{
	if (d->flags >= 0)
		(void)fcntl(d->fd, F_SETFL, d->flags);
	d->flags = -1;
}

int ext4_data_flush(struct ext4_data *d, struct err *err)
{
	return write_stage(d, err);
}

uint64_t ext4_data_cursor(const struct ext4_data *d)
{
	return d->cursor;
}
