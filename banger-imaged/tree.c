/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/tree.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/str.h"

struct tree {
	const struct image_limits *limits;
	void *places; /* of all nodes but the root, by directory and name: tsearch(3) */
	uint64_t nodes;
	uint64_t bytes; /* of names, targets, xattrs, extents */
	struct node *root;
};

static int no_memory(struct err *err)
{
	return err_sys(err, ERR_operation_failed, ENOMEM, "cannot keep the image's file tree");
}

static int charge(struct tree *t, uint64_t n, struct err *err)
{
	if (t->bytes + n > t->limits->metadata)
		return err_set(err, ERR_bad_input,
			"the names and attributes of the image take more than %llu MiB",
			(unsigned long long)(t->limits->metadata >> 20));
	t->bytes += n;
	return 0;
}

int tree_create(const struct image_limits *limits, struct tree **ret, struct err *err)
{
	struct tree *t = calloc(1, sizeof(*t));

	if (!t)
		return no_memory(err);
	t->limits = limits;
	t->root = calloc(1, sizeof(*t->root));
	if (!t->root || tree_inode_create(t, S_IFDIR | 0755, &t->root->inode, err) < 0) {
		free(t->root);
		free(t);
		return no_memory(err);
	}
	*ret = t;
	return 0;
}

void tree_destroy(struct tree *t)
{
	if (!t)
		return;
	while (t->root->child)
		tree_remove(t, t->root->child);
	tree_inode_unref(t, t->root->inode);
	free(t->root);
	free(t);
}

struct node *tree_root(const struct tree *t)
{
	return t->root;
}

uint64_t tree_nodes(const struct tree *t)
{
	return t->nodes;
}

/* Any order that is total will do: of directories by address, then of names by length and bytes. */
static int by_place(const void *va, const void *vb)
{
	const struct node *a = va, *b = vb;

	if (a->parent != b->parent)
		return (uintptr_t)a->parent < (uintptr_t)b->parent ? -1 : 1;
	if (a->name_len != b->name_len)
		return a->name_len < b->name_len ? -1 : 1;
	return memcmp(a->name, b->name, a->name_len);
}

struct node *tree_find(const struct tree *t, const struct node *dir, const char *name, size_t len)
{
	const struct node key = {
		.parent = (struct node *)(uintptr_t)dir,
		.name = name,
		.name_len = (uint8_t)len,
	};
	struct node *const *found = tfind(&key, &t->places, by_place);

	return found && len <= TREE_NAME_MAX ? *found : NULL;
}

int tree_add(struct tree *t, struct node *dir, const char *name, size_t len, struct inode *inode,
	uint16_t layer, struct node **ret, struct err *err)
{
	struct node *n;

	if (t->nodes >= t->limits->entries)
		return err_set(err, ERR_bad_input, "the image has more than %llu entries",
			(unsigned long long)t->limits->entries);
	if (charge(t, len, err) < 0)
		return -1;
	n = calloc(1, sizeof(*n) + len);
	if (!n) {
		t->bytes -= len;
		return no_memory(err);
	}
	n->name = memcpy(n + 1, name, len);
	n->name_len = (uint8_t)len;
	n->layer = layer;
	n->parent = dir;
	if (!tsearch(n, &t->places, by_place)) {
		t->bytes -= len;
		free(n);
		return no_memory(err);
	}
	n->inode = inode;
	inode->refs++;
	n->next = dir->child;
	if (n->next)
		n->next->prev = n;
	dir->child = n;
	t->nodes++;
	*ret = n;
	return 0;
}

/* A node without children, out of its parent, its place and memory. */
static void unlink_node(struct tree *t, struct node *n)
{
	tdelete(n, &t->places, by_place);
	if (n->prev)
		n->prev->next = n->next;
	else
		n->parent->child = n->next;
	if (n->next)
		n->next->prev = n->prev;
	t->bytes -= n->name_len;
	t->nodes--;
	tree_inode_unref(t, n->inode);
	free(n);
}

void tree_remove(struct tree *t, struct node *n)
{
	struct node *last = n, *up;

	/* Leaves first: no recursion, however deep it is. */
	for (bool done = false; !done; n = up) {
		while (n->child)
			n = n->child;
		up = n->parent;
		done = n == last;
		unlink_node(t, n);
	}
}

int tree_inode_create(struct tree *t, uint16_t mode, struct inode **ret, struct err *err)
{
	struct inode *i = calloc(1, sizeof(*i));

	if (!i)
		return no_memory(err);
	i->refs = 1;
	i->mode = mode;
	*ret = i;
	return 0;
}

void tree_inode_reset(struct tree *t, struct inode *i, uint16_t mode)
{
	struct tree_xattr *next;
	uint32_t refs = i->refs;

	for (struct tree_xattr *x = i->xattrs; x; x = next) {
		next = x->next;
		t->bytes -= sizeof(*x) + x->name_len + 1U + x->size;
		free(x);
	}
	if (i->target)
		t->bytes -= strlen(i->target);
	free(i->target);
	t->bytes -= i->extents.n * sizeof(struct extent);
	extents_finish(&i->extents);
	*i = (struct inode){ .refs = refs, .mode = mode };
}

void tree_inode_unref(struct tree *t, struct inode *i)
{
	if (!i || --i->refs > 0)
		return;
	tree_inode_reset(t, i, 0);
	free(i);
}

int tree_inode_target(struct tree *t, struct inode *i, const char *target, struct err *err)
{
	size_t n = strlen(target);

	if (charge(t, n, err) < 0)
		return -1;
	i->target = strdup(target);
	if (!i->target) {
		t->bytes -= n;
		return no_memory(err);
	}
	i->size = n;
	return 0;
}

int tree_inode_xattr(struct tree *t, struct inode *i, const char *name, const void *value,
	uint32_t size, struct err *err)
{
	size_t name_len = strlen(name);
	struct tree_xattr *x;

	if (charge(t, sizeof(*x) + name_len + 1 + size, err) < 0)
		return -1;
	x = malloc(sizeof(*x) + name_len + 1 + size);
	if (!x) {
		t->bytes -= sizeof(*x) + name_len + 1 + size;
		return no_memory(err);
	}
	x->next = i->xattrs;
	x->size = size;
	x->name_len = (uint16_t)name_len;
	memcpy(x->bytes, name, name_len + 1);
	if (size > 0)
		memcpy(x->bytes + name_len + 1, value, size);
	i->xattrs = x;
	return 0;
}

int tree_inode_charge(struct tree *t, const struct inode *i, struct err *err)
{
	return charge(t, i->extents.n * sizeof(struct extent), err);
}

struct node *tree_next(const struct node *n)
{
	if (n->child)
		return n->child;
	while (n->parent && !n->next)
		n = n->parent;
	return n->parent ? n->next : NULL;
}
