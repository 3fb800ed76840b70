/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/layer.h"

#include <string.h>
#include <sys/stat.h>

#include "banger-imaged/layer_path.h"
#include "banger-imaged/layer_whiteout.h"
#include "common/str.h"

/* ext4's: 2³² - 1 blocks in a file, and what fits the signed size. */
#define FILE_MAX ((16ULL << 40) - 4096)

/* The directory that `path` goes into, made (root's, 0755) where no entry stated it, and the name
 * in it; *ret_name NULL for the root itself. */
static int find_parent(struct layer *l, const char *path, struct node **ret, const char **ret_name,
	size_t *ret_len, struct err *err)
{
	struct node *dir = tree_root(l->tree), *n;
	const char *at = path, *name;
	size_t len;

	*ret_name = NULL;
	while (layer_path_next(&at, &name, &len)) {
		if (!S_ISDIR(dir->inode->mode))
			return err_set(err, ERR_bad_input, "'%s' leads through %s '%.*s'", path,
				S_ISLNK(dir->inode->mode) ? "the symlink" : "the file",
				(int)dir->name_len, dir->name);
		if (layer_path_is_last(at)) {
			*ret_name = name;
			*ret_len = len;
			break;
		}
		n = tree_find(l->tree, dir, name, len);
		if (!n) {
			struct inode *inode;
			int r;

			if (tree_inode_create(l->tree, S_IFDIR | 0755, &inode, err) < 0)
				return -1;
			r = tree_add(l->tree, dir, name, len, inode, l->number, &n, err);
			tree_inode_unref(l->tree, inode);
			if (r < 0)
				return -1;
		}
		dir = n;
	}
	*ret = dir;
	return 0;
}

static uint16_t mode_of(const struct tar_entry *e)
{
	static const uint16_t types[] = {
		[TAR_FILE] = S_IFREG,
		[TAR_SYMLINK] = S_IFLNK,
		[TAR_CHAR_DEVICE] = S_IFCHR,
		[TAR_BLOCK_DEVICE] = S_IFBLK,
		[TAR_DIRECTORY] = S_IFDIR,
		[TAR_FIFO] = S_IFIFO,
	};

	/* A symlink's permissions are 0777, always (symlink(7)). */
	return e->type == TAR_SYMLINK ? S_IFLNK | 0777 : (uint16_t)(types[e->type] | e->mode);
}

static int set_metadata(
	struct layer *l, struct inode *i, const struct tar_entry *e, struct err *err)
{
	i->uid = e->uid;
	i->gid = e->gid;
	i->mtime = e->mtime;
	i->mtime_ns = e->mtime_ns;
	if (e->type == TAR_CHAR_DEVICE || e->type == TAR_BLOCK_DEVICE) {
		i->major = e->major;
		i->minor = e->minor;
	}
	for (uint32_t n = 0; n < e->n_xattrs; n++)
		if (tree_inode_xattr(l->tree, i, e->xattrs[n].name, e->xattrs[n].value,
			    e->xattrs[n].size, err) < 0)
			return -1;
	return 0;
}

static int set_target(struct layer *l, struct inode *i, const struct tar_entry *e, struct err *err)
{
	if (e->link[0] == '\0')
		return err_set(err, ERR_bad_input, "'%s': a symlink to nothing", e->name);
	return tree_inode_target(l->tree, i, e->link, err);
}

static int set_content(
	struct layer *l, struct inode *i, const struct tar_entry *e, struct tar *t, struct err *err)
{
	const uint8_t *p;
	uint64_t offset;
	size_t n = 0;
	int r;

	if (e->size > FILE_MAX)
		return err_set(err, ERR_bad_input,
			"'%s': a file of %llu bytes is larger than ext4's", e->name,
			(unsigned long long)e->size);
	i->size = e->size;
	ext4_data_begin(l->data, &i->extents);
	do {
		r = tar_data(t, &offset, &p, &n, err);
		if (r == 0 && n > 0)
			r = ext4_data_put(l->data, offset, p, n, err);
	} while (r == 0 && n > 0);
	ext4_data_end(l->data);
	return r < 0 ? -1 : tree_inode_charge(l->tree, i, err);
}

/* A directory over a directory: its metadata changes, what is in it stays. */
static int restate(struct layer *l, struct node *n, const struct tar_entry *e, struct err *err)
{
	tree_inode_reset(l->tree, n->inode, mode_of(e));
	n->layer = l->number;
	return set_metadata(l, n->inode, e, err);
}

/* The inode that a hardlink means: what stands at that name now. */
static int link_target(struct layer *l, const struct tar_entry *e, const struct node *self,
	struct inode **ret, struct err *err)
{
	struct node *n;

	if (layer_path_check(e->link, false, err) < 0 ||
		layer_path_find(l->tree, e->link, &n, err) < 0)
		return err_wrap(err, "'%s': its hard link's target", e->name);
	if (!n)
		return err_set(err, ERR_bad_input, "'%s': a hard link to '%s', which is not there",
			e->name, e->link);
	if (S_ISDIR(n->inode->mode))
		return err_set(err, ERR_bad_input, "'%s': a hard link to the directory '%s'",
			e->name, e->link);
	if (n == self)
		return err_set(err, ERR_bad_input, "'%s': a hard link to itself", e->name);
	if (n->inode->refs >= TREE_LINKS_MAX)
		return err_set(err, ERR_bad_input,
			"'%s': '%s' has %d hard links already, as many "
			"as ext4 allows",
			e->name, e->link, TREE_LINKS_MAX);
	n->inode->refs++;
	*ret = n->inode;
	return 0;
}

static int make_inode(struct layer *l, const struct tar_entry *e, struct tar *t, struct inode **ret,
	struct err *err)
{
	struct inode *i;
	int r;

	if (tree_inode_create(l->tree, mode_of(e), &i, err) < 0)
		return -1;
	r = set_metadata(l, i, e, err);
	if (r == 0 && e->type == TAR_SYMLINK)
		r = set_target(l, i, e, err);
	if (r == 0 && e->type == TAR_FILE)
		r = set_content(l, i, e, t, err);
	if (r < 0) {
		tree_inode_unref(l->tree, i);
		return -1;
	}
	*ret = i;
	return 0;
}

static int take_entry(struct layer *l, const struct tar_entry *e, struct tar *t, struct err *err)
{
	struct node *dir, *old, *fresh;
	struct inode *inode = NULL;
	const char *name;
	size_t len = 0;
	int r;

	if (find_parent(l, e->name, &dir, &name, &len, err) < 0)
		return -1;
	if (!name) {
		if (e->type != TAR_DIRECTORY)
			return err_set(
				err, ERR_bad_input, "'%s': the root is no directory", e->name);
		return restate(l, tree_root(l->tree), e, err);
	}
	old = tree_find(l->tree, dir, name, len);
	if (old && S_ISDIR(old->inode->mode) && e->type == TAR_DIRECTORY)
		return restate(l, old, e, err);
	r = e->type == TAR_HARDLINK ? link_target(l, e, old, &inode, err)
				    : make_inode(l, e, t, &inode, err);
	if (r < 0)
		return -1;
	if (old)
		tree_remove(l->tree, old);
	r = tree_add(l->tree, dir, name, len, inode, l->number, &fresh, err);
	tree_inode_unref(l->tree, inode);
	return r;
}

int layer_apply(struct layer *l, struct tar *t, struct err *err)
{
	const struct tar_entry *e;
	bool whiteout = false;

	for (;;) {
		if (tar_next(t, &e, err) < 0)
			return -1;
		/* Layers without an end exist, and their digests say that they are whole. */
		if (!e && !l->whiteouts && !tar_has_end(t))
			return err_set(err, ERR_bad_input, "the tar archive has no end");
		if (!e)
			return tar_drain(t, err);
		if (l->entries++ >= l->limits->entries)
			return err_set(err, ERR_bad_input, "the image has more than %llu entries",
				(unsigned long long)l->limits->entries);
		if (layer_path_check(e->name, l->whiteouts, err) < 0)
			return -1;
		if (l->whiteouts && layer_whiteout(l->tree, e, l->number, &whiteout, err) < 0)
			return -1;
		if (!whiteout && take_entry(l, e, t, err) < 0)
			return -1;
		if (ext4_data_cursor(l->data) / 2 > l->limits->expanded / 4096 + l->entries)
			return err_set(err, ERR_bad_input, "the image is larger than %llu GiB",
				(unsigned long long)(l->limits->expanded >> 30));
	}
}
