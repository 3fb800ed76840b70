/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/ext4_finish.h"

#include <errno.h>
#include <ext2fs/ext2fs.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "banger-imaged/ext4_csum.h"
#include "banger-imaged/ext4_dir.h"
#include "banger-imaged/ext4_geometry.h"
#include "banger-imaged/ext4_inode.h"
#include "banger-imaged/ext4_io.h"
#include "banger-imaged/ext4_layout.h"
#include "banger-imaged/ext4_place.h"
#include "common/fd.h"
#include "common/str.h"

/* 2000-01-01: all times of the file system itself. */
#define FS_TIME 946684800

/* 32 MiB: a VM that is killed costs its guest a replay, not its files. Nothing of it is written
 * here but its head, so it takes no room on the host. */
#define JOURNAL_BLOCKS 8192

struct finish {
	int fd;
	struct tree *tree;
	struct ext4_data *data;
	struct ext4_dir_params params;
	uint8_t uuid[16];
	struct ext4_layout layout;
	struct ext4_geometry geometry;
	uint64_t cursor; /* behind data and directories */
	uint64_t least;	 /* bytes */
	ext2_filsys fs;
};

static int ext2_error(const struct finish *f, errcode_t e, const char *what, struct err *err)
{
	int failure = f->fs ? ext4_io_failure(f->fs->io) : 0;

	if (failure != 0)
		return ext4_write_error(failure, err);
	if (e == ENOSPC || e == EDQUOT || e == EFBIG)
		return ext4_write_error((int)e, err);
	return err_set(err, ERR_operation_failed, "cannot %s the image's file system: %s", what,
		error_message(e));
}

/* uuid (its version 8: made by a rule of one's own, RFC 9562) and hash seed from the digest. */
static void set_identity(struct finish *f, const digest *id)
{
	const char *hex = strchr(id->s, ':') + 1;
	uint8_t raw[32];

	for (size_t i = 0; i < sizeof(raw); i++) {
		char pair[3] = { hex[2 * i], hex[2 * i + 1], '\0' };

		raw[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	raw[6] = (uint8_t)((raw[6] & 0x0f) | 0x80);
	raw[8] = (uint8_t)((raw[8] & 0x3f) | 0x80);
	memcpy(f->uuid, raw, sizeof(f->uuid));
	memcpy(f->params.hash_seed, raw + 16, 16);
	f->params.csum_seed = ext4_csum_seed(f->uuid);
}

static int initialize(struct finish *f, struct err *err)
{
	struct ext2_super_block p = { 0 };
	char name[16];
	errcode_t e;

	p.s_rev_level = EXT2_DYNAMIC_REV;
	p.s_log_block_size = 2;
	p.s_inode_size = EXT4_INODE_SIZE;
	p.s_desc_size = EXT2_MIN_DESC_SIZE_64BIT;
	p.s_log_groups_per_flex = 4;
	p.s_feature_compat = EXT2_FEATURE_COMPAT_DIR_INDEX | EXT2_FEATURE_COMPAT_RESIZE_INODE |
			     EXT2_FEATURE_COMPAT_EXT_ATTR;
	p.s_feature_incompat = EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_EXTENTS |
			       EXT4_FEATURE_INCOMPAT_FLEX_BG | EXT4_FEATURE_INCOMPAT_64BIT;
	p.s_feature_ro_compat =
		EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER | EXT2_FEATURE_RO_COMPAT_LARGE_FILE |
		EXT4_FEATURE_RO_COMPAT_HUGE_FILE | EXT4_FEATURE_RO_COMPAT_DIR_NLINK |
		EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE | EXT4_FEATURE_RO_COMPAT_METADATA_CSUM;
	ext2fs_blocks_count_set(&p, (blk64_t)f->geometry.groups * EXT4_GROUP_BLOCKS);
	p.s_inodes_count = f->geometry.groups * f->geometry.inodes_per_group;
	p.s_reserved_gdt_blocks =
		(uint16_t)(EXT4_DESCRIPTOR_BLOCKS - (f->geometry.groups + 63) / 64);
	snprintf(name, sizeof(name), "%d", f->fd);
	e = ext2fs_initialize(name, EXT2_FLAG_64BITS, &p, ext4_io_manager, &f->fs);
	if (e != 0)
		return ext2_error(f, e, "lay out", err);
	/* It may choose otherwise; then nothing would be where it was put. */
	if (f->fs->group_desc_count != f->geometry.groups ||
		EXT2_INODES_PER_GROUP(f->fs->super) != f->geometry.inodes_per_group ||
		f->fs->inode_blocks_per_group != f->geometry.table_blocks ||
		f->fs->desc_blocks + f->fs->super->s_reserved_gdt_blocks != EXT4_DESCRIPTOR_BLOCKS)
		return err_set(err, ERR_operation_failed,
			"libext2fs laid the image's file system out in its own way");
	return 0;
}

static void set_super(struct finish *f)
{
	struct ext2_super_block *s = f->fs->super;

	memcpy(s->s_uuid, f->uuid, sizeof(s->s_uuid));
	memcpy(s->s_hash_seed, f->params.hash_seed, sizeof(s->s_hash_seed));
	s->s_def_hash_version = EXT2_HASH_HALF_MD4;
	s->s_flags = EXT2_FLAGS_SIGNED_HASH;
	s->s_checksum_type = EXT2_CRC32C_CHKSUM;
	s->s_mkfs_time = s->s_wtime = s->s_lastcheck = FS_TIME;
	s->s_mtime = 0;
	s->s_kbytes_written = 0;
	s->s_max_mnt_count = -1;
	s->s_checkinterval = 0;
	s->s_creator_os = EXT2_OS_LINUX;
	s->s_min_extra_isize = s->s_want_extra_isize = 32;
	s->s_default_mount_opts = EXT2_DEFM_XATTR_USER | EXT2_DEFM_ACL;
	s->s_errors = EXT2_ERRORS_DEFAULT;
	s->s_state = EXT2_VALID_FS;
	f->fs->now = FS_TIME;
	ext2fs_init_csum_seed(f->fs);
}

/* Bitmaps and tables to the places that the geometry chose. */
static void place_groups(struct finish *f)
{
	const struct ext4_geometry *g = &f->geometry;
	uint64_t bb = g->block_bitmaps, ib = g->inode_bitmaps, table = g->tables;

	for (dgrp_t i = 0; i < g->groups; i++) {
		blk64_t b = ext4_geometry_next(&bb, 1), n = ext4_geometry_next(&ib, 1);
		blk64_t t = ext4_geometry_next(&table, g->table_blocks);

		ext2fs_block_bitmap_loc_set(f->fs, i, b);
		ext2fs_inode_bitmap_loc_set(f->fs, i, n);
		ext2fs_inode_table_loc_set(f->fs, i, t);
		ext2fs_block_alloc_stats_range(f->fs, b, 1, +1);
		ext2fs_block_alloc_stats_range(f->fs, n, 1, +1);
		ext2fs_block_alloc_stats_range(f->fs, t, g->table_blocks, +1);
		/* What is not written of the tables is a hole of the file: zeros. */
		ext2fs_bg_flags_set(f->fs, i, EXT2_BG_INODE_ZEROED);
	}
}

static void mark_extents(struct finish *f, const struct extents *x)
{
	const struct extent *list = extents_list(x);

	for (uint32_t i = 0; i < x->n; i++)
		ext2fs_block_alloc_stats_range(f->fs, list[i].block, list[i].length, +1);
}

/* Only what is used is marked: blocks of files that a later layer took away are free with that. */
static void mark_inodes(struct finish *f)
{
	for (ext2_ino_t n = 1; n < EXT2_GOOD_OLD_FIRST_INO; n++)
		ext2fs_inode_alloc_stats2(f->fs, n, +1, n == EXT2_ROOT_INO);
	for (ext2_ino_t n = EXT2_ROOT_INO; n <= f->layout.last; n++) {
		const struct inode *i = f->layout.inodes[n];

		if (!i)
			continue;
		if (n >= EXT2_GOOD_OLD_FIRST_INO)
			ext2fs_inode_alloc_stats2(f->fs, n, +1, LINUX_S_ISDIR(i->mode));
		mark_extents(f, &i->extents);
	}
	mark_extents(f, ext4_data_metadata(f->data));
}

static int write_tables(struct finish *f, struct err *err)
{
	const struct ext4_geometry *g = &f->geometry;
	size_t size = (size_t)g->table_blocks * EXT4_BLOCK;
	_cleanup_free_ uint8_t *table = malloc(size);
	uint64_t at = g->tables;

	if (!table)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot write the inode tables");
	for (uint32_t group = 0; group * (uint64_t)g->inodes_per_group < f->layout.last; group++) {
		uint64_t block = ext4_geometry_next(&at, g->table_blocks);
		uint32_t first = group * g->inodes_per_group + 1, n = 0;

		memset(table, 0, size);
		for (; n < g->inodes_per_group && first + n <= f->layout.last; n++) {
			uint8_t *dst = table + (size_t)n * EXT4_INODE_SIZE;

			if (!f->layout.inodes[first + n])
				continue;
			ext4_inode_encode(f->layout.inodes[first + n], dst);
			ext2fs_inode_csum_set(f->fs, first + n, (struct ext2_inode_large *)dst);
		}
		/* Whole blocks of what is used. */
		n = (n * EXT4_INODE_SIZE + EXT4_BLOCK - 1) / EXT4_BLOCK * EXT4_BLOCK;
		if (fd_pwrite_full(f->fd, table, n, block * EXT4_BLOCK) < 0)
			return ext4_write_error(errno, err);
	}
	return 0;
}

static int write_xattr(struct finish *f, const struct inode *i, struct err *err)
{
	struct ext2_xattr_handle *h = NULL;
	const char *name = "";
	errcode_t e = ext2fs_xattrs_open(f->fs, i->number, &h);

	for (const struct tree_xattr *x = i->xattrs; e == 0 && x; x = x->next) {
		name = (const char *)x->bytes;
		e = ext2fs_xattr_set(h, name, x->bytes + x->name_len + 1, x->size);
	}
	if (h)
		ext2fs_xattrs_close(&h);
	if (e == EXT2_ET_EA_NO_SPACE)
		return err_set(err, ERR_bad_input,
			"a file's xattrs, '%s' among them, do not fit in ext4's 4 KiB", name);
	if (e == EXT2_ET_INVALID_ARGUMENT || e == EXT2_ET_EA_BAD_NAME_LEN || e == EINVAL)
		return err_set(err, ERR_bad_input, "ext4 has no place for the xattr '%s'", name);
	return e == 0 ? 0 : ext2_error(f, e, "write the xattrs of", err);
}

static int write_xattrs(struct finish *f, struct err *err)
{
	for (uint32_t n = EXT2_ROOT_INO; n <= f->layout.last; n++)
		if (f->layout.inodes[n] && f->layout.inodes[n]->xattrs &&
			write_xattr(f, f->layout.inodes[n], err) < 0)
			return -1;
	return 0;
}

/* What was written and is nobody's any more goes back to the disk. */
static int punch(struct finish *f, struct err *err)
{
	blk64_t at = EXT4_HEAD, used, last = f->cursor - 1;

	while (at < f->cursor) {
		if (ext2fs_find_first_zero_block_bitmap2(f->fs->block_map, at, last, &at) != 0)
			break;
		if (ext2fs_find_first_set_block_bitmap2(f->fs->block_map, at, last, &used) != 0)
			used = f->cursor;
		/* A file system that cannot do it keeps the blocks: nothing is wrong then. */
		if (fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			    (off_t)(at * EXT4_BLOCK), (off_t)((used - at) * EXT4_BLOCK)) < 0 &&
			errno != EOPNOTSUPP)
			return ext4_write_error(errno, err);
		at = used;
	}
	return 0;
}

static int write_metadata(struct finish *f, struct err *err)
{
	errcode_t e;

	set_super(f);
	place_groups(f);
	mark_inodes(f);
	if (punch(f, err) < 0 || write_tables(f, err) < 0)
		return -1;
	e = ext2fs_create_resize_inode(f->fs);
	if (e != 0)
		return ext2_error(f, e, "make room to grow in", err);
	e = ext2fs_add_journal_inode2(f->fs, JOURNAL_BLOCKS, ~0ULL,
		EXT2_MKJOURNAL_LAZYINIT | EXT2_MKJOURNAL_NO_MNT_CHECK);
	if (e != 0)
		return ext2_error(f, e, "make a journal in", err);
	if (write_xattrs(f, err) < 0)
		return -1;
	e = ext2fs_set_gdt_csum(f->fs);
	if (e == 0)
		e = ext2fs_close2(f->fs, EXT2_FLAG_FLUSH_NO_SYNC);
	if (e != 0)
		return ext2_error(f, e, "write", err);
	f->fs = NULL;
	return 0;
}

/* The target is as large as what is in it, at least. */
static int stretch(struct finish *f, struct err *err)
{
	uint64_t size = (uint64_t)f->geometry.groups * EXT4_GROUP_BLOCKS * EXT4_BLOCK;
	struct stat st;

	if (fstat(f->fd, &st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot look at the target");
	if ((uint64_t)st.st_size == size || (f->least > 0 && (uint64_t)st.st_size > size))
		return 0;
	return ftruncate(f->fd, (off_t)size) < 0 ? ext4_write_error(errno, err) : 0;
}

static int finish(struct finish *f, struct err *err)
{

	if (ext4_layout_write(f->tree, f->data, &f->params, &f->layout, err) < 0)
		return -1;
	f->cursor = ext4_data_cursor(f->data);
	/* Blocks to come: one a file with xattrs, the resize inode's, the journal and its tree. */
	if (ext4_geometry_decide(f->cursor, f->layout.last,
		    f->layout.n_xattr + JOURNAL_BLOCKS + 4ULL, f->least / EXT4_BLOCK, &f->geometry,
		    err) < 0)
		return -1;
	ext4_data_buffered(f->data);
	if (stretch(f, err) < 0)
		return -1;
	return initialize(f, err) < 0 || write_metadata(f, err) < 0 ? -1 : 0;
}

int ext4_finish(int fd, struct tree *t, struct ext4_data *d, const digest *id, uint64_t least,
	uint64_t *ret_size, struct err *err)
{
	struct finish f = { .fd = fd, .tree = t, .data = d, .least = least };
	int r;

	set_identity(&f, id);
	r = finish(&f, err);
	if (f.fs)
		ext2fs_free(f.fs);
	ext4_layout_finish(&f.layout);
	if (r == 0)
		*ret_size = (uint64_t)f.geometry.groups * EXT4_GROUP_BLOCKS * EXT4_BLOCK;
	return r;
}
