/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The file system to be, in memory: nodes (names) and the inodes that they share. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "banger-imaged/ext4_data.h"
#include "banger-imaged/image_limits.h"
#include "common/err.h"

#define TREE_NAME_MAX  255
#define TREE_LINKS_MAX 65000 /* ext4's */

struct tree_xattr {
	struct tree_xattr *next;
	uint32_t size;
	uint16_t name_len;
	uint8_t bytes[]; /* the name, its NUL, the value */
};

struct inode {
	uint32_t refs;	 /* nodes that have it, and holders */
	uint32_t number; /* 0 until the file system is laid out */
	uint32_t uid, gid;
	int64_t mtime;
	uint32_t mtime_ns;
	uint16_t mode; /* type and permissions, as stat(2) */
	bool indexed;  /* a directory with a hash index */
	uint32_t major, minor;
	uint32_t links;	   /* counted when the file system is laid out */
	uint32_t metadata; /* blocks of its extent tree */
	uint64_t size;
	char *target; /* of a symlink */
	struct tree_xattr *xattrs;
	struct extents extents;
	uint32_t root[15]; /* i_block, when the file system is laid out */
};

struct node {
	struct node *parent;	  /* NULL: the root */
	struct node *child;	  /* the first */
	struct node *next, *prev; /* siblings */
	struct inode *inode;
	uint16_t layer;	 /* that put it here, or restated it */
	uint16_t pruned; /* the layer in which all of lower layers went from below it; 0: none */
	uint8_t name_len;
	const char *name; /* behind the node, no NUL behind it */
};

struct tree;

int tree_create(const struct image_limits *limits, struct tree **ret, struct err *err);
void tree_destroy(struct tree *t); /* NULL is allowed */
static inline void tree_destroyp(struct tree **t)
{
	tree_destroy(*t);
}
struct node *tree_root(const struct tree *t);
uint64_t tree_nodes(const struct tree *t); /* how many there are, the root not counted */

/* NULL when there is none. */
struct node *tree_find(const struct tree *t, const struct node *dir, const char *name, size_t len);

/* A name that must not be there yet; takes a reference of its own to the inode. */
int tree_add(struct tree *t, struct node *dir, const char *name, size_t len, struct inode *inode,
	uint16_t layer, struct node **ret, struct err *err);

/* Take away a node (not the root) and all below it. */
void tree_remove(struct tree *t, struct node *n);

/* A fresh inode with one reference, the caller's. */
int tree_inode_create(struct tree *t, uint16_t mode, struct inode **ret, struct err *err);
void tree_inode_unref(struct tree *t, struct inode *i); /* NULL is allowed */
/* Forget attributes, target and contents; what remains is one of the given mode, root's, of time
 * zero. */
void tree_inode_reset(struct tree *t, struct inode *i, uint16_t mode);
int tree_inode_target(struct tree *t, struct inode *i, const char *target, struct err *err);
int tree_inode_xattr(struct tree *t, struct inode *i, const char *name, const void *value,
	uint32_t size, struct err *err);

/* Count the extents of a file that was just written against the limit of metadata. */
int tree_inode_charge(struct tree *t, const struct inode *i, struct err *err);

/* The next in depth-first order, parents before what is below them: NULL after the last. */
struct node *tree_next(const struct node *n);
