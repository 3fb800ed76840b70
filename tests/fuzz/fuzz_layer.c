/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two layers (the first two bytes say where the second begins, in blocks) into an ext4 file. What
 * comes out must open with libext2fs, checksums and all, and each inode in use must be readable.
 */
#include <ext2fs/ext2fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "banger-imaged/ext4_finish.h"
#include "banger-imaged/ext4_io.h"
#include "banger-imaged/flow.h"
#include "banger-imaged/layer.h"
#include "common/fd.h"
#include "common/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct image_limits limits = {
	.entries = 5000,
	.expanded = 16 << 20,
	.ratio = 2000,
	.ratio_free = 1 << 20,
	.metadata = 4 << 20,
	.tar_headers = 1 << 20,
	.xattr = 64 << 10,
};

static void require(errcode_t e, const char *what)
{
	if (e == 0)
		return;
	fprintf(stderr, "%s: %s\n", what, error_message(e));
	abort();
}

static int no_entry(ext2_ino_t dir, int entry, struct ext2_dir_entry *e, int offset, int blocksize,
	char *buf, void *ctx)
{
	return 0;
}

static int no_block(
	ext2_filsys fs, blk64_t *block, e2_blkcnt_t count, blk64_t ref, int offset, void *ctx)
{
	if (!ext2fs_test_block_bitmap2(fs->block_map, *block))
		require(EXT2_ET_BAD_BLOCK_NUM, "a block in use is marked free");
	return 0;
}

static void check_inode(ext2_filsys fs, ext2_ino_t ino)
{
	struct ext2_inode i;

	if (!ext2fs_test_inode_bitmap2(fs->inode_map, ino))
		return;
	require(ext2fs_read_inode(fs, ino, &i), "cannot read an inode");
	if (ino >= 11 && i.i_links_count == 0)
		require(EXT2_ET_BAD_INODE_NUM, "an inode in use has no links");
	if (LINUX_S_ISDIR(i.i_mode))
		require(ext2fs_dir_iterate2(fs, ino, 0, NULL, no_entry, NULL),
			"cannot read a directory");
	if (ext2fs_inode_has_valid_blocks2(fs, &i))
		require(ext2fs_block_iterate3(fs, ino, BLOCK_FLAG_READ_ONLY, NULL, no_block, NULL),
			"cannot read an inode's blocks");
}

static void check(int fd)
{
	ext2_filsys fs;
	char name[16];

	snprintf(name, sizeof(name), "%d", fd);
	require(ext2fs_open2(name, NULL, EXT2_FLAG_64BITS, 0, 0, ext4_io_manager, &fs),
		"cannot open the file system");
	require(ext2fs_read_bitmaps(fs), "cannot read the bitmaps");
	for (ext2_ino_t i = 1; i <= 2000; i++)
		check_inode(fs, i);
	ext2fs_free(fs);
}

static int apply(struct layer *l, const uint8_t *p, size_t n, struct err *err)
{
	_cleanup_(tar_closep) struct tar *t = NULL;
	struct memory_flow flow;

	memory_flow_init(&flow, p, n);
	l->number++;
	return tar_open(&flow.flow, &limits, &t, err) < 0 ? -1 : layer_apply(l, t, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_fd_ int fd = memfd_create("layer", MFD_CLOEXEC);
	_cleanup_(ext4_data_closep) struct ext4_data *d = NULL;
	_cleanup_(tree_destroyp) struct tree *t = NULL;
	struct layer l = { .limits = &limits, .whiteouts = true };
	struct err err = ERR_INIT;
	uint64_t written;
	digest id;
	size_t cut;

	if (size < 2 || fd < 0 ||
		!digest_parse("sha256:0123456789abcdef0123456789abcdef"
			      "0123456789abcdef0123456789abcdef",
			&id))
		return 0;
	cut = ((size_t)data[0] << 8 | data[1]) * 512;
	data += 2;
	size -= 2;
	cut = cut < size ? cut : size;
	if (tree_create(&limits, &t, &err) < 0 || ext4_data_open(fd, &d, &err) < 0)
		return 0;
	l.tree = t;
	l.data = d;
	if (apply(&l, data, cut, &err) == 0 && apply(&l, data + cut, size - cut, &err) == 0 &&
		ext4_finish(fd, t, d, &id, 0, &written, &err) == 0)
		check(fd);
	return 0;
}
