/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The contents of files on their way into the file system: staged, and written in large pieces,
 * past the page cache where the target's file system allows it. */
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

/* Blocks [block, block + length) hold the file's blocks from `logical` on. */
struct extent {
	uint64_t block;
	uint32_t logical;
	uint32_t length; /* ≤ 32,768 */
};

struct extents {
	uint32_t n, room;    /* room: of `many` */
	struct extent one;   /* most files need no more */
	struct extent *many; /* NULL: `one` is used */
};
void extents_finish(struct extents *x);
static inline const struct extent *extents_list(const struct extents *x)
{
	return x->many ? x->many : &x->one;
}
uint64_t extents_blocks(const struct extents *x);

struct ext4_data;

/* `fd`, the target, stays the caller's and must outlive the writer; it is written from block
 * EXT4_HEAD on. */
int ext4_data_open(int fd, struct ext4_data **ret, struct err *err);
void ext4_data_close(struct ext4_data *d); /* NULL is allowed; takes O_DIRECT off the fd again */
static inline void ext4_data_closep(struct ext4_data **d)
{
	ext4_data_close(*d);
}

/* One file at a time: begin; put, with offsets that only grow; end. Aligned 64 KiB of zeros, and
 * what is left out between puts, become holes. */
void ext4_data_begin(struct ext4_data *d, struct extents *x);
int ext4_data_put(
	struct ext4_data *d, uint64_t offset, const uint8_t *p, size_t n, struct err *err);
void ext4_data_end(struct ext4_data *d);

/* One block of metadata, beside the files. */
int ext4_data_block(
	struct ext4_data *d, const uint8_t block[4096], uint64_t *ret_block, struct err *err);

/* Where all of those are. */
const struct extents *ext4_data_metadata(const struct ext4_data *d);

/* From here on the target is written through the page cache: for the small pieces of the end. */
void ext4_data_buffered(struct ext4_data *d);

/* Write what is staged. */
int ext4_data_flush(struct ext4_data *d, struct err *err);

/* The next block that would be used. */
uint64_t ext4_data_cursor(const struct ext4_data *d);

/* A failed write as an error: a full disk is no_space. */
int ext4_write_error(int sys, struct err *err);
