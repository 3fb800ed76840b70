/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/ext4_dir.h"

#include <endian.h>
#include <errno.h>
#include <ext2fs/ext2fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "banger-imaged/ext4_csum.h"
#include "banger-imaged/ext4_place.h"
#include "common/str.h"

#define TAIL	  12U /* the record at a block's end that has the check sum */
#define ROOM	  (EXT4_BLOCK - TAIL)
#define ROOT_MAX  507U /* index entries in the root, with check sums … */
#define NODE_MAX  510U /* … and in a block below it */
#define ROOT_HEAD 32U  /* bytes before the root's entries: ".", "..", what kind of index it is */
#define NODE_HEAD 8U

struct entry {
	const struct node *node;
	uint32_t hash, minor;
};

/* A leaf: entries [first, first + n). */
struct leaf {
	uint32_t first, n, hash;
};

struct builder {
	struct ext4_data *d;
	const struct ext4_dir_params *params;
	struct node *dir;
	struct entry *entries;
	uint32_t n_entries;
	struct leaf *leaves;
	uint32_t n_leaves;
	uint32_t block; /* the next one's number in the directory */
};

static uint32_t record_size(size_t name_len)
{
	return (uint32_t)(8 + name_len + 3) & ~3U;
}

static uint8_t file_type(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return EXT2_FT_REG_FILE;
	case S_IFDIR:
		return EXT2_FT_DIR;
	case S_IFCHR:
		return EXT2_FT_CHRDEV;
	case S_IFBLK:
		return EXT2_FT_BLKDEV;
	case S_IFIFO:
		return EXT2_FT_FIFO;
	case S_IFLNK:
		return EXT2_FT_SYMLINK;
	default:
		return EXT2_FT_UNKNOWN;
	}
}

static void put_record(
	uint8_t *dst, uint32_t inode, uint32_t size, uint8_t type, const char *name, size_t len)
{
	uint32_t number = htole32(inode);
	uint16_t rec = htole16((uint16_t)size);

	memcpy(dst, &number, 4);
	memcpy(dst + 4, &rec, 2);
	dst[6] = (uint8_t)len;
	dst[7] = type;
	if (len > 0)
		memcpy(dst + 8, name, len);
}

static const struct node *parent_of(const struct node *dir)
{
	return dir->parent ? dir->parent : dir;
}

static int write_block(struct builder *b, const uint8_t *block, struct err *err)
{
	uint64_t at = (uint64_t)b->block++ * EXT4_BLOCK;

	return ext4_data_put(b->d, at, block, EXT4_BLOCK, err);
}

/* A block of records: `last` is where its last one begins, which is to reach up to the tail. */
static int write_records(struct builder *b, uint8_t *block, uint32_t last, struct err *err)
{
	uint16_t rec = htole16((uint16_t)(ROOM - last));
	uint32_t csum;

	memcpy(block + last + 4, &rec, 2);
	put_record(block + ROOM, 0, TAIL, EXT2_DIR_NAME_LEN_CSUM >> 8, NULL, 0);
	csum = htole32(ext4_csum(b->params->csum_seed, b->dir->inode->number, block, ROOM));
	memcpy(block + EXT4_BLOCK - 4, &csum, 4);
	return write_block(b, block, err);
}

static uint32_t put_entries(
	uint8_t *block, uint32_t at, const struct entry *e, uint32_t n, uint32_t last)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct node *node = e[i].node;
		uint32_t size = record_size(node->name_len);

		put_record(block + at, node->inode->number, size, file_type(node->inode->mode),
			node->name, node->name_len);
		last = at;
		at += size;
	}
	return last;
}

static int write_single(struct builder *b, struct err *err)
{
	uint8_t block[EXT4_BLOCK] = { 0 };
	uint32_t last;

	put_record(block, b->dir->inode->number, 12, EXT2_FT_DIR, ".", 1);
	put_record(block + 12, parent_of(b->dir)->inode->number, 12, EXT2_FT_DIR, "..", 2);
	last = put_entries(block, 24, b->entries, b->n_entries, 12);
	return write_records(b, block, last, err);
}

static int by_hash(const void *va, const void *vb)
{
	const struct entry *a = va, *b = vb;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	if (a->minor != b->minor)
		return a->minor < b->minor ? -1 : 1;
	return 0;
}

static int hash_entries(struct builder *b, struct err *err)
{
	for (uint32_t i = 0; i < b->n_entries; i++) {
		struct entry *e = &b->entries[i];

		if (ext2fs_dirhash(EXT2_HASH_HALF_MD4, e->node->name, e->node->name_len,
			    b->params->hash_seed, &e->hash, &e->minor) != 0)
			return err_set(err, ERR_operation_failed, "cannot hash a name");
	}
	qsort(b->entries, b->n_entries, sizeof(*b->entries), by_hash);
	return 0;
}

/* Cut the sorted entries into leaves. The lowest bit of a leaf's hash says that names of the same
 * hash begin in the leaf before it. */
static int cut_leaves(struct builder *b, struct err *err)
{
	struct leaf *leaf = NULL;
	uint32_t used = 0, room = 0;

	for (uint32_t i = 0; i < b->n_entries; i++) {
		const struct entry *e = &b->entries[i];
		uint32_t size = record_size(e->node->name_len);

		if (!leaf || used + size > ROOM) {
			bool same = i > 0 && b->entries[i - 1].hash == e->hash;

			if (b->n_leaves == room) {
				struct leaf *grown;

				room = room ? room * 2 : 64;
				grown = realloc(b->leaves, room * sizeof(*grown));
				if (!grown)
					return err_sys(err, ERR_operation_failed, ENOMEM,
						"cannot write a directory");
				b->leaves = grown;
			}
			leaf = &b->leaves[b->n_leaves++];
			*leaf = (struct leaf){ i, 0, e->hash | same };
			used = 0;
		}
		used += size;
		leaf->n++;
	}
	return 0;
}

/* n index entries from `at` on in a block; the first has no hash, but the counts in its place. */
static void put_index(struct builder *b, uint8_t *block, uint32_t at, uint32_t max,
	const uint32_t *hashes, const uint32_t *blocks, uint32_t n)
{
	uint16_t counts[2] = { htole16((uint16_t)max), htole16((uint16_t)n) };
	uint32_t tail[2] = { 0, 0 }, csum;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t pair[2] = { htole32(hashes[i]), htole32(blocks[i]) };

		memcpy(block + at + i * 8, pair, 8);
	}
	memcpy(block + at, counts, 4);
	csum = ext4_csum(b->params->csum_seed, b->dir->inode->number, block, at + n * 8);
	csum = htole32(ext2fs_crc32c_le(csum, (const unsigned char *)tail, sizeof(tail)));
	memcpy(block + at + max * 8 + 4, &csum, 4);
}

static void put_root_head(struct builder *b, uint8_t *block, uint8_t levels)
{
	static const uint8_t unused[4];

	put_record(block, b->dir->inode->number, 12, EXT2_FT_DIR, ".", 1);
	put_record(block + 12, parent_of(b->dir)->inode->number, EXT4_BLOCK - 12, EXT2_FT_DIR, "..",
		2);
	memcpy(block + 24, unused, 4);
	block[28] = EXT2_HASH_HALF_MD4;
	block[29] = 8; /* the length of what is here */
	block[30] = levels;
	block[31] = 0;
}

/* The blocks of the middle level: hashes and blocks of leaves, NODE_MAX each. */
static int write_middle(struct builder *b, const uint32_t *hashes, const uint32_t *blocks,
	uint32_t n, struct err *err)
{
	for (uint32_t first = 0; first < n; first += NODE_MAX) {
		uint32_t count = n - first < NODE_MAX ? n - first : NODE_MAX;
		uint8_t block[EXT4_BLOCK] = { 0 };

		put_record(block, 0, EXT4_BLOCK, 0, NULL, 0);
		put_index(b, block, NODE_HEAD, NODE_MAX, hashes + first, blocks + first, count);
		if (write_block(b, block, err) < 0)
			return -1;
	}
	return 0;
}

static int write_leaves(struct builder *b, struct err *err)
{
	for (uint32_t i = 0; i < b->n_leaves; i++) {
		const struct leaf *l = &b->leaves[i];
		uint8_t block[EXT4_BLOCK] = { 0 };
		uint32_t last = put_entries(block, 0, b->entries + l->first, l->n, 0);

		if (write_records(b, block, last, err) < 0)
			return -1;
	}
	return 0;
}

/* The root, the middle level where the root does not suffice, the leaves, in this order. */
static int write_indexed(struct builder *b, struct err *err)
{
	uint32_t middle = b->n_leaves > ROOT_MAX ? (b->n_leaves + NODE_MAX - 1) / NODE_MAX : 0;
	_cleanup_free_ uint32_t *hashes = calloc(b->n_leaves, sizeof(uint32_t));
	_cleanup_free_ uint32_t *blocks = calloc(b->n_leaves, sizeof(uint32_t));
	uint32_t top_hashes[ROOT_MAX], top_blocks[ROOT_MAX];
	uint8_t root[EXT4_BLOCK] = { 0 };

	if (!hashes || !blocks)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot write a directory");
	if (middle > ROOT_MAX)
		return err_set(err, ERR_bad_input, "a directory has more entries than ext4 allows");
	for (uint32_t i = 0; i < b->n_leaves; i++) {
		hashes[i] = b->leaves[i].hash;
		blocks[i] = 1 + middle + i;
	}
	for (uint32_t i = 0; i < middle; i++) {
		top_hashes[i] = hashes[i * NODE_MAX];
		top_blocks[i] = 1 + i;
	}
	put_root_head(b, root, middle ? 1 : 0);
	put_index(b, root, ROOT_HEAD, ROOT_MAX, middle ? top_hashes : hashes,
		middle ? top_blocks : blocks, middle ? middle : b->n_leaves);
	if (write_block(b, root, err) < 0 ||
		(middle && write_middle(b, hashes, blocks, b->n_leaves, err) < 0))
		return -1;
	return write_leaves(b, err);
}

static int collect(struct builder *b, uint32_t *ret_size, struct err *err)
{
	uint32_t n = 0, size = 24;

	for (const struct node *c = b->dir->child; c; c = c->next)
		n++;
	b->entries = calloc(n + 1, sizeof(*b->entries));
	if (!b->entries)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot write a directory");
	for (const struct node *c = b->dir->child; c; c = c->next) {
		b->entries[b->n_entries++].node = c;
		size += size < EXT4_BLOCK ? record_size(c->name_len) : 0;
	}
	*ret_size = size;
	return 0;
}

int ext4_dir_write(struct ext4_data *d, const struct ext4_dir_params *params, struct node *dir,
	struct err *err)
{
	struct builder b = { .d = d, .params = params, .dir = dir };
	struct inode *i = dir->inode;
	uint32_t size = 0;
	int r;

	ext4_data_begin(d, &i->extents);
	r = collect(&b, &size, err);
	if (r == 0 && size <= ROOM) {
		r = write_single(&b, err);
	} else if (r == 0) {
		i->indexed = true;
		r = hash_entries(&b, err);
		if (r == 0)
			r = cut_leaves(&b, err);
		if (r == 0)
			r = write_indexed(&b, err);
	}
	ext4_data_end(d);
	i->size = (uint64_t)b.block * EXT4_BLOCK;
	free(b.entries);
	free(b.leaves);
	return r;
}
