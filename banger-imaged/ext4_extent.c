/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/ext4_extent.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "banger-imaged/ext4_csum.h"
#include "common/str.h"

#define MAGIC	    0xf30a
#define PER_INODE   4
#define PER_BLOCK   340
#define TAIL_OFFSET (12 + PER_BLOCK * 12)

struct header {
	uint16_t magic, entries, max, depth;
	uint32_t generation;
};

struct leaf {
	uint32_t logical;
	uint16_t length, start_hi;
	uint32_t start_lo;
};

struct branch {
	uint32_t logical, leaf_lo;
	uint16_t leaf_hi, unused;
};

static void put_header(uint8_t *dst, uint32_t entries, uint32_t max, uint32_t depth)
{
	struct header h = { htole16(MAGIC), htole16((uint16_t)entries), htole16((uint16_t)max),
		htole16((uint16_t)depth), 0 };

	memcpy(dst, &h, sizeof(h));
}

static void put_leaf(uint8_t *dst, const struct extent *x)
{
	struct leaf l = { htole32(x->logical), htole16((uint16_t)x->length),
		htole16((uint16_t)(x->block >> 32)), htole32((uint32_t)x->block) };

	memcpy(dst, &l, sizeof(l));
}

static void put_branch(uint8_t *dst, const struct extent *x)
{
	struct branch b = { htole32(x->logical), htole32((uint32_t)x->block),
		htole16((uint16_t)(x->block >> 32)), 0 };

	memcpy(dst, &b, sizeof(b));
}

static void put_entries(
	uint8_t *dst, const struct extent *x, uint32_t n, uint32_t max, uint32_t depth)
{
	put_header(dst, n, max, depth);
	for (uint32_t k = 0; k < n; k++)
		(depth == 0 ? put_leaf : put_branch)(dst + 12 + k * 12, &x[k]);
}

/* One level of the tree into blocks; what points to them comes back as extents. */
static int write_level(struct ext4_data *d, uint32_t seed, struct inode *i, const struct extent *x,
	uint32_t n, uint32_t depth, struct extent **ret, uint32_t *ret_n, struct err *err)
{
	uint32_t count = (n + PER_BLOCK - 1) / PER_BLOCK;
	struct extent *up = calloc(count, sizeof(*up));

	if (!up)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot write a file's map");
	for (uint32_t k = 0; k < count; k++) {
		uint32_t first = k * PER_BLOCK;
		uint8_t block[4096] = { 0 };
		uint32_t csum;

		put_entries(block, x + first, n - first < PER_BLOCK ? n - first : PER_BLOCK,
			PER_BLOCK, depth);
		csum = htole32(ext4_csum(seed, i->number, block, TAIL_OFFSET));
		memcpy(block + TAIL_OFFSET, &csum, sizeof(csum));
		up[k].logical = x[first].logical;
		if (ext4_data_block(d, block, &up[k].block, err) < 0) {
			free(up);
			return -1;
		}
	}
	i->metadata += count;
	*ret = up;
	*ret_n = count;
	return 0;
}

int ext4_extent_write(struct ext4_data *d, uint32_t seed, struct inode *i, struct err *err)
{
	const struct extent *x = extents_list(&i->extents);
	_cleanup_free_ struct extent *level = NULL;
	uint32_t n = i->extents.n, depth = 0;

	while (n > PER_INODE) {
		struct extent *up;

		if (write_level(d, seed, i, x, n, depth, &up, &n, err) < 0)
			return -1;
		free(level);
		x = level = up;
		depth++;
	}
	memset(i->root, 0, sizeof(i->root));
	put_entries((uint8_t *)i->root, x, n, PER_INODE, depth);
	return 0;
}
