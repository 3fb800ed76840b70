/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree, paths in it, whiteouts; what stands where in the file system. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "banger-imaged/ext4_geometry.h"
#include "banger-imaged/ext4_place.h"
#include "banger-imaged/layer_path.h"
#include "banger-imaged/layer_whiteout.h"
#include "banger-imaged/tree.h"
#include "common/str.h"

static const struct image_limits limits = IMAGE_LIMITS_DEFAULT;

static struct node *add(struct tree *t, const char *path, uint16_t mode, uint16_t layer)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	struct node *dir = tree_root(t), *n = NULL;
	struct err err = ERR_INIT;
	struct inode *i = NULL;
	char parent[256] = "";

	if (slash) {
		assert_true(str_format(parent, sizeof(parent), "%.*s", (int)(slash - path), path));
		assert_int_equal(layer_path_find(t, parent, &dir, &err), 0);
	}
	assert_int_equal(tree_inode_create(t, mode, &i, &err), 0);
	assert_int_equal(tree_add(t, dir, name, strlen(name), i, layer, &n, &err), 0);
	tree_inode_unref(t, i);
	return n;
}

static bool is_there(const struct tree *t, const char *path)
{
	struct err err = ERR_INIT;
	struct node *n = NULL;

	return layer_path_find(t, path, &n, &err) == 0 && n;
}

static int white_out(struct tree *t, const char *path, uint16_t layer)
{
	static struct tar_entry e;
	struct err err = ERR_INIT;
	bool was = false;

	assert_true(str_copy(e.name, sizeof(e.name), path));
	e.type = TAR_FILE;
	return layer_whiteout(t, &e, layer, &was, &err) < 0 ? -1 : was;
}

static void many_nodes(void **state)
{
	struct err err = ERR_INIT;
	struct tree *t = NULL;
	char name[32];

	assert_int_equal(tree_create(&limits, &t, &err), 0);
	add(t, "d", S_IFDIR | 0755, 1);
	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "d/%d", i);
		add(t, name, S_IFREG, 1);
	}
	assert_int_equal(tree_nodes(t), 20001);
	assert_true(is_there(t, "d/19999") && is_there(t, "./d//0/.") && !is_there(t, "d/20000"));
	tree_remove(t, tree_find(t, tree_root(t), "d", 1));
	assert_int_equal(tree_nodes(t), 0);
	tree_destroy(t);
}

static void limits_hold(void **state)
{
	struct image_limits small = limits;
	struct err err = ERR_INIT;
	struct inode *i = NULL;
	struct tree *t = NULL;
	struct node *n;

	small.entries = 2;
	small.metadata = 10;
	assert_int_equal(tree_create(&small, &t, &err), 0);
	add(t, "a", S_IFREG, 1);
	add(t, "b", S_IFREG, 1);
	assert_int_equal(tree_inode_create(t, S_IFREG, &i, &err), 0);
	assert_int_equal(tree_add(t, tree_root(t), "c", 1, i, 1, &n, &err), -1);
	assert_int_equal(tree_inode_target(t, i, "123456789", &err), -1);
	assert_int_equal(tree_inode_target(t, i, "12345678", &err), 0);
	tree_inode_unref(t, i);
	tree_destroy(t);
}

static void deep_trees_need_no_stack(void **state)
{
	struct err err = ERR_INIT;
	struct tree *t = NULL;
	struct node *n;

	assert_int_equal(tree_create(&limits, &t, &err), 0);
	n = tree_root(t);
	for (int i = 0; i < 100000; i++) {
		struct inode *inode = NULL;

		assert_int_equal(tree_inode_create(t, S_IFDIR, &inode, &err), 0);
		assert_int_equal(tree_add(t, n, "x", 1, inode, 1, &n, &err), 0);
		tree_inode_unref(t, inode);
	}
	assert_int_equal(white_out(t, ".wh..wh..opq", 2), 1);
	assert_int_equal(tree_nodes(t), 0);
	tree_destroy(t);
}

static void whiteouts_touch_lower_layers_only(void **state)
{
	struct err err = ERR_INIT;
	struct tree *t = NULL;
	struct node *d;

	assert_int_equal(tree_create(&limits, &t, &err), 0);
	d = add(t, "d", S_IFDIR | 0700, 1);
	d->inode->uid = 7;
	add(t, "d/low", S_IFREG, 1);
	add(t, "d/sub", S_IFDIR, 1);
	add(t, "d/sub/low", S_IFREG, 1);
	add(t, "d/sub/own", S_IFREG, 2);
	assert_int_equal(white_out(t, "d/.wh..wh..opq", 2), 1);
	assert_true(is_there(t, "d/sub/own"));
	assert_false(is_there(t, "d/sub/low") || is_there(t, "d/low"));
	assert_int_equal(d->inode->uid, 7);
	assert_int_equal(white_out(t, ".wh.d", 2), 1);
	assert_true(is_there(t, "d/sub/own"));
	assert_int_equal(d->inode->uid, 0);
	assert_int_equal(d->inode->mode, S_IFDIR | 0755);
	assert_int_equal(white_out(t, ".wh.d", 3), 1);
	assert_int_equal(tree_nodes(t), 0);
	tree_destroy(t);
}

static void bad_whiteouts(void **state)
{
	struct err err = ERR_INIT;
	struct tree *t = NULL;

	assert_int_equal(tree_create(&limits, &t, &err), 0);
	add(t, "l", S_IFLNK, 1);
	assert_int_equal(white_out(t, ".wh.", 2), -1);
	assert_int_equal(white_out(t, "a/.wh..", 2), -1);
	assert_int_equal(white_out(t, ".wh...", 2), -1);
	assert_int_equal(white_out(t, "l/.wh.x", 2), -1);
	assert_int_equal(white_out(t, ".wh", 2), 0);
	assert_int_equal(white_out(t, ".what", 2), 0);
	assert_int_equal(white_out(t, "none/.wh.x", 2), 1);
	tree_destroy(t);
}

static void paths(void **state)
{
	char long_name[300], *p = memset(long_name, 'x', sizeof(long_name));
	static const char *const bad[] = { "", "/a", "..", "a/../b", "a/..", ".wh.d/x" };
	static const char *const good[] = { ".", "./", "a", "a/", "a//b", "...", "a/..b", ".wh.d" };
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(layer_path_check(bad[i], true, &err), -1);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(layer_path_check(good[i], true, &err), 0);
	assert_int_equal(layer_path_check(".wh.d/x", false, &err), 0);
	p[256] = '\0';
	assert_int_equal(layer_path_check(p, true, &err), -1);
	p[255] = '\0';
	assert_int_equal(layer_path_check(p, true, &err), 0);
}

/* The same by the rule as mke2fs(8) has it: groups 0, 1 and the powers of 3, 5 and 7. */
static void superblock_places_stay_free(void **state)
{
	static const uint64_t copies[] = { 0, 1, 3, 5, 7, 9, 25, 27, 49, 81, 125, 243, 343, 625 };
	size_t next = 0;

	for (uint64_t g = 0; g <= 625; g++) {
		bool want = next < ARRAY_SIZE(copies) && copies[next] == g;

		assert_int_equal(ext4_group_has_super(g), want);
		next += want;
	}
	assert_int_equal(ext4_place(0, 1), EXT4_HEAD);
	assert_int_equal(ext4_place(EXT4_HEAD, 1), EXT4_HEAD);
	assert_int_equal(ext4_place(32767, 1), 32767);
	assert_int_equal(ext4_place(32767, 2), 32768 + EXT4_HEAD);
	assert_int_equal(ext4_place(2 * 32768 - 1, 2), 2 * 32768 - 1);
	assert_int_equal(ext4_place(2 * 32768, 512), 2 * 32768);
}

static void geometry(void **state)
{
	static const struct {
		uint64_t cursor, inodes, least;
	} rows[] = { { 200, 20, 0 }, { 32768, 20, 0 }, { 200, 2000000, 0 },
		{ 16 << 20, 2000000, 0 }, { 200, 20, 32768 }, { 200, 20, 16 << 20 } };
	struct ext4_geometry g;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t at;

		assert_int_equal(ext4_geometry_decide(rows[i].cursor, rows[i].inodes,
					 rows[i].inodes, rows[i].least, &g, &err),
			0);
		assert_true((uint64_t)g.groups * g.inodes_per_group >= rows[i].inodes);
		assert_true(g.inodes_per_group <= 32768 && g.inodes_per_group % 16 == 0);
		assert_true(g.groups >= rows[i].least / 32768);
		assert_int_equal(g.table_blocks, g.inodes_per_group / 16);
		assert_true(g.end + rows[i].inodes < (uint64_t)g.groups * 32768);
		at = g.tables;
		for (uint32_t k = 0; k < g.groups; k++) {
			uint64_t block = ext4_geometry_next(&at, g.table_blocks);

			assert_int_equal(ext4_place(block, g.table_blocks), block);
		}
		assert_int_equal(at, g.end);
	}
	assert_int_equal(ext4_geometry_decide(1ULL << 30, 20, 0, 0, &g, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_nodes),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(deep_trees_need_no_stack),
		cmocka_unit_test(whiteouts_touch_lower_layers_only),
		cmocka_unit_test(bad_whiteouts),
		cmocka_unit_test(paths),
		cmocka_unit_test(superblock_places_stay_free),
		cmocka_unit_test(geometry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
