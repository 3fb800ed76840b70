/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/ext4_layout.h"

#include <errno.h>
#include <ext2fs/ext2fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "banger-imaged/ext4_extent.h"
#include "common/str.h"

#define LOST_FOUND	 "lost+found"
#define LOST_FOUND_INODE 11U
#define SYMLINK_INLINE	 60U /* bytes, with the NUL, that fit in i_block */

/* ext4's checker keeps what it finds there: a file system without it is not whole. */
static int add_lost_found(struct tree *t, struct err *err)
{
	struct node *n = tree_find(t, tree_root(t), LOST_FOUND, strlen(LOST_FOUND));
	struct inode *i;
	int r;

	if (n && !S_ISDIR(n->inode->mode))
		return err_set(err, ERR_bad_input,
			"the image has a /lost+found that is no directory, as ext4 wants it");
	if (!n) {
		if (tree_inode_create(t, S_IFDIR | 0700, &i, err) < 0)
			return -1;
		r = tree_add(t, tree_root(t), LOST_FOUND, strlen(LOST_FOUND), i, 0, &n, err);
		tree_inode_unref(t, i);
		if (r < 0)
			return -1;
	}
	n->inode->number = LOST_FOUND_INODE;
	return 0;
}

static uint32_t number_inodes(struct tree *t)
{
	uint32_t next = LOST_FOUND_INODE + 1;
	struct node *root = tree_root(t);

	root->inode->number = EXT2_ROOT_INO;
	root->inode->links = 2;
	for (struct node *n = tree_next(root); n; n = tree_next(n)) {
		struct inode *i = n->inode;

		if (i->number == 0)
			i->number = next++;
		i->links++;
		if (S_ISDIR(i->mode)) {
			i->links++;
			n->parent->inode->links++;
		}
	}
	return next - 1;
}

static int write_target(struct ext4_data *d, struct inode *i, struct err *err)
{
	int r;

	if (i->size < SYMLINK_INLINE)
		return 0;
	ext4_data_begin(d, &i->extents);
	r = ext4_data_put(d, 0, (const uint8_t *)i->target, i->size, err);
	ext4_data_end(d);
	return r;
}

static int write_own_blocks(struct tree *t, struct ext4_data *d,
	const struct ext4_dir_params *params, struct ext4_layout *l, struct err *err)
{
	for (struct node *n = tree_root(t); n; n = tree_next(n)) {
		struct inode *i = n->inode;

		if (l->inodes[i->number])
			continue;
		l->inodes[i->number] = i;
		l->n_xattr += i->xattrs != NULL;
		if (S_ISDIR(i->mode) && ext4_dir_write(d, params, n, err) < 0)
			return -1;
		if (S_ISLNK(i->mode) && write_target(d, i, err) < 0)
			return -1;
		if (ext4_extent_write(d, params->csum_seed, i, err) < 0)
			return -1;
	}
	return 0;
}

int ext4_layout_write(struct tree *t, struct ext4_data *d, const struct ext4_dir_params *params,
	struct ext4_layout *ret, struct err *err)
{
	struct ext4_layout l = { 0 };

	if (add_lost_found(t, err) < 0)
		return -1;
	l.last = number_inodes(t);
	l.inodes = calloc(l.last + 1ULL, sizeof(struct inode *));
	if (!l.inodes)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot lay out the image");
	if (write_own_blocks(t, d, params, &l, err) < 0 || ext4_data_flush(d, err) < 0) {
		ext4_layout_finish(&l);
		return -1;
	}
	*ret = l;
	return 0;
}

void ext4_layout_finish(struct ext4_layout *l)
{
	free(l->inodes);
	*l = (struct ext4_layout){ 0 };
}
