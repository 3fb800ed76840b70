/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "banger-imaged/siphash.h"
#include "common/str.h"

struct tree {
	const struct image_limits *limits;
	uint64_t key[2];
	struct node **buckets; /* a power of two of them */
	uint64_t n_buckets, nodes;
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
	t->n_buckets = 1024;
	t->buckets = calloc(t->n_buckets, sizeof(*t->buckets));
	t->root = calloc(1, sizeof(*t->root) + 1);
	if (!t->buckets || !t->root ||
		tree_inode_create(t, S_IFDIR | 0755, &t->root->inode, err) < 0) {
		free(t->buckets);
		free(t->root);
		free(t);
		return no_memory(err);
	}
	while (getrandom(t->key, sizeof(t->key), 0) != (ssize_t)sizeof(t->key))
		;
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
	free(t->buckets);
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

static uint32_t hash_of(const struct tree *t, const struct node *dir, const char *name, size_t len)
{
	uint8_t buf[sizeof(dir) + TREE_NAME_MAX];

	memcpy(buf, &dir, sizeof(dir));
	memcpy(buf + sizeof(dir), name, len);
	return (uint32_t)siphash(t->key, buf, sizeof(dir) + len);
}

struct node *tree_find(const struct tree *t, const struct node *dir, const char *name, size_t len)
{
	uint32_t hash = hash_of(t, dir, name, len);
	struct node *n = t->buckets[hash & (t->n_buckets - 1)];

	while (n && (n->hash != hash || n->parent != dir || n->name_len != len ||
			    memcmp(n->name, name, len) != 0))
		n = n->hash_next;
	return n;
}

/* Twice the buckets, when there are as many nodes; without memory the chains get longer. */
static void grow(struct tree *t)
{
	uint64_t n = t->n_buckets * 2;
	struct node **buckets;

	if (t->nodes < t->n_buckets || n > UINT32_MAX)
		return;
	buckets = calloc(n, sizeof(struct node *));
	if (!buckets)
		return;
	for (uint64_t i = 0; i < t->n_buckets; i++) {
		struct node *next;

		for (struct node *at = t->buckets[i]; at; at = next) {
			next = at->hash_next;
			at->hash_next = buckets[at->hash & (n - 1)];
			buckets[at->hash & (n - 1)] = at;
		}
	}
	free(t->buckets);
	t->buckets = buckets;
	t->n_buckets = n;
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
	if (!n)
		return no_memory(err);
	memcpy(n->name, name, len);
	n->name_len = (uint8_t)len;
	n->layer = layer;
	n->parent = dir;
	n->inode = inode;
	inode->refs++;
	n->next = dir->child;
	if (n->next)
		n->next->prev = n;
	dir->child = n;
	t->nodes++;
	grow(t);
	n->hash = hash_of(t, dir, name, len);
	n->hash_next = t->buckets[n->hash & (t->n_buckets - 1)];
	t->buckets[n->hash & (t->n_buckets - 1)] = n;
	*ret = n;
	return 0;
}

/* A node without children, out of its parent, its bucket and memory. */
static void unlink_node(struct tree *t, struct node *n)
{
	struct node **at = &t->buckets[n->hash & (t->n_buckets - 1)];

	while (*at != n)
		at = &(*at)->hash_next;
	*at = n->hash_next;
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
