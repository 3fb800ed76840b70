/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/layer_whiteout.h"

#include <string.h>
#include <sys/stat.h>

#include "banger-imaged/layer_path.h"
#include "common/str.h"

#define PREFIX	   ".wh."
#define PREFIX_LEN 4
#define OPAQUE	   ".wh..wh..opq"

/* The last component of a checked path and the length of what is before it. */
static bool last_component(const char *path, const char **ret, size_t *ret_len)
{
	const char *at = path;
	bool any = false;

	while (layer_path_next(&at, ret, ret_len))
		any = true;
	return any;
}

/* A directory that this layer did not state, but put something into, after its own metadata went
 * with the lower layers. */
static void make_implied(struct tree *t, struct node *n, uint16_t layer)
{
	tree_inode_reset(t, n->inode, S_IFDIR | 0755);
	n->layer = layer;
}

/* Where the walk goes on after n, whose own children are done with: its sibling, or its parent
 * (whose children are done with then). */
static void finish_node(struct tree *t, struct node *n, uint16_t layer)
{
	if (n->layer == layer)
		return;
	if (n->child)
		make_implied(t, n, layer);
	else
		tree_remove(t, n);
}

/* Take away all that is below `dir` and of lower layers. A directory is walked once a layer: from
 * then on nothing of a lower layer can come back below it. */
static void prune(struct tree *t, struct node *dir, uint16_t layer)
{
	struct node *n = dir->child, *next, *up;

	if (dir->pruned == layer)
		return;
	dir->pruned = layer;
	while (n) {
		if (n->child && n->pruned != layer) {
			n->pruned = layer;
			n = n->child;
			continue;
		}
		/* n is done; so are its parents, as far as it is their last. */
		for (;;) {
			next = n->next;
			up = n->parent;
			finish_node(t, n, layer);
			if (next || up == dir)
				break;
			n = up;
		}
		n = next;
	}
}

/* The directory that a whiteout stands in; *ret NULL when there is nothing of lower layers: no such
 * directory, or something that this layer put in its place. */
static int find_directory(const struct tree *t, const char *path, const char *end, uint16_t layer,
	struct node **ret, struct err *err)
{
	struct node *n = tree_root(t);
	const char *at = path, *name;
	size_t len;

	while (n && S_ISDIR(n->inode->mode) && layer_path_next(&at, &name, &len) && name < end)
		n = tree_find(t, n, name, len);
	if (n && !S_ISDIR(n->inode->mode) && n->layer != layer)
		return err_set(err, ERR_bad_input, "'%s': a whiteout below '%.*s', no directory",
			path, (int)n->name_len, n->name);
	*ret = n && S_ISDIR(n->inode->mode) ? n : NULL;
	return 0;
}

static int white_out(struct tree *t, const char *path, const char *name, size_t len, uint16_t layer,
	struct err *err)
{
	struct node *dir = NULL, *n;

	if (find_directory(t, path, name, layer, &dir, err) < 0)
		return -1;
	if (!dir)
		return 0;
	if (len == strlen(OPAQUE) && memcmp(name, OPAQUE, len) == 0) {
		prune(t, dir, layer);
		return 0;
	}
	n = tree_find(t, dir, name + PREFIX_LEN, len - PREFIX_LEN);
	if (!n)
		return 0;
	prune(t, n, layer);
	finish_node(t, n, layer);
	return 0;
}

int layer_whiteout(
	struct tree *t, const struct tar_entry *e, uint16_t layer, bool *ret_was, struct err *err)
{
	const char *name, *what;
	size_t len, n;

	*ret_was = false;
	if (!last_component(e->name, &name, &len) || len < PREFIX_LEN ||
		memcmp(name, PREFIX, PREFIX_LEN) != 0)
		return 0;
	what = name + PREFIX_LEN;
	n = len - PREFIX_LEN;
	if (n == 0 || (n == 1 && what[0] == '.') || (n == 2 && memcmp(what, "..", 2) == 0))
		return err_set(err, ERR_bad_input, "'%s': a whiteout of nothing", e->name);
	if (e->type != TAR_FILE)
		return err_set(
			err, ERR_bad_input, "'%s': a whiteout that is no plain file", e->name);
	*ret_was = true;
	return white_out(t, e->name, name, len, layer, err);
}
