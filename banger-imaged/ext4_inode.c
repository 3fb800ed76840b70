/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/ext4_inode.h"

#include <endian.h>
#include <ext2fs/ext2fs.h>
#include <string.h>
#include <sys/stat.h>

#define EXTRA_ISIZE 32
/* What 34 bits hold: 1901 to 2446. The kernel cuts times at the same ends. */
#define TIME_MIN INT32_MIN
#define TIME_MAX ((1LL << 34) + INT32_MIN - 1)

static void encode_time(int64_t s, uint32_t ns, uint32_t *ret, uint32_t *ret_extra)
{
	if (s < TIME_MIN) {
		s = TIME_MIN;
		ns = 0;
	} else if (s > TIME_MAX) {
		s = TIME_MAX;
		ns = 0;
	}
	*ret = htole32((uint32_t)s);
	*ret_extra = htole32((uint32_t)(((s - (int32_t)(uint32_t)s) >> 32) & 3) | ns << 2);
}

static void encode_device(const struct inode *i, uint32_t block[EXT2_N_BLOCKS])
{
	if (i->major < 256 && i->minor < 256)
		block[0] = htole32(i->major << 8 | i->minor);
	else
		block[1] = htole32((i->minor & 0xff) | i->major << 8 | (i->minor & ~0xffU) << 12);
}

static void encode_content(const struct inode *i, struct ext2_inode_large *e)
{
	uint64_t sectors = (extents_blocks(&i->extents) + i->metadata) * 8;

	if (S_ISCHR(i->mode) || S_ISBLK(i->mode)) {
		encode_device(i, e->i_block);
		return;
	}
	if (S_ISFIFO(i->mode))
		return;
	e->i_size = htole32((uint32_t)i->size);
	e->i_size_high = htole32((uint32_t)(i->size >> 32));
	if (S_ISLNK(i->mode) && i->extents.n == 0) {
		memcpy(e->i_block, i->target, i->size);
		return;
	}
	e->i_flags = htole32(EXT4_EXTENTS_FL | (i->indexed ? EXT2_INDEX_FL : 0));
	e->i_blocks = htole32((uint32_t)sectors);
	e->osd2.linux2.l_i_blocks_hi = htole16((uint16_t)(sectors >> 32));
	memcpy(e->i_block, i->root, sizeof(e->i_block));
}

void ext4_inode_encode(const struct inode *i, uint8_t dst[EXT4_INODE_SIZE])
{
	struct ext2_inode_large e = { 0 };

	e.i_mode = htole16(i->mode);
	e.i_uid = htole16((uint16_t)i->uid);
	e.osd2.linux2.l_i_uid_high = htole16((uint16_t)(i->uid >> 16));
	e.i_gid = htole16((uint16_t)i->gid);
	e.osd2.linux2.l_i_gid_high = htole16((uint16_t)(i->gid >> 16));
	/* Beyond what the field holds a directory's count is 1: "many" (dir_nlink). */
	e.i_links_count =
		htole16((uint16_t)(S_ISDIR(i->mode) && i->links >= TREE_LINKS_MAX ? 1 : i->links));
	e.i_extra_isize = htole16(EXTRA_ISIZE);
	encode_time(i->mtime, i->mtime_ns, &e.i_mtime, &e.i_mtime_extra);
	e.i_atime = e.i_ctime = e.i_crtime = e.i_mtime;
	e.i_atime_extra = e.i_ctime_extra = e.i_crtime_extra = e.i_mtime_extra;
	encode_content(i, &e);
	memset(dst, 0, EXT4_INODE_SIZE);
	memcpy(dst, &e, sizeof(e));
}
