/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/layer_path.h"

#include <string.h>
#include <sys/stat.h>

#include "common/str.h"

bool layer_path_next(const char **path, const char **ret, size_t *ret_len)
{
	const char *p = *path;
	size_t n;

	for (;;) {
		while (*p == '/')
			p++;
		n = strcspn(p, "/");
		if (n == 1 && *p == '.')
			p++;
		else
			break;
	}
	if (n == 0)
		return false;
	*ret = p;
	*ret_len = n;
	*path = p + n;
	return true;
}

bool layer_path_is_last(const char *path)
{
	const char *name;
	size_t n;

	return !layer_path_next(&path, &name, &n);
}

int layer_path_check(const char *path, bool whiteouts, struct err *err)
{
	const char *at = path, *name;
	size_t n;

	if (path[0] == '\0')
		return err_set(err, ERR_bad_input, "an entry has no name");
	if (path[0] == '/')
		return err_set(err, ERR_bad_input, "'%s': an absolute name in an image", path);
	while (layer_path_next(&at, &name, &n)) {
		if (n == 2 && memcmp(name, "..", 2) == 0)
			return err_set(err, ERR_bad_input,
				"'%s': a name that leads out of the image", path);
		if (n > TREE_NAME_MAX)
			return err_set(err, ERR_bad_input,
				"'%.64s…': a part of the name is longer than %d bytes", path,
				TREE_NAME_MAX);
		if (whiteouts && n >= 4 && memcmp(name, ".wh.", 4) == 0 && !layer_path_is_last(at))
			return err_set(err, ERR_bad_input,
				"'%s': a directory is named like a whiteout", path);
	}
	return 0;
}

int layer_path_find(const struct tree *t, const char *path, struct node **ret, struct err *err)
{
	struct node *n = tree_root(t);
	const char *at = path, *name;
	size_t len;

	while (n && layer_path_next(&at, &name, &len)) {
		if (S_ISLNK(n->inode->mode))
			return err_set(err, ERR_bad_input, "'%s' leads through the symlink '%.*s'",
				path, (int)n->name_len, n->name);
		if (!S_ISDIR(n->inode->mode))
			return err_set(err, ERR_bad_input,
				"'%s' leads through '%.*s', which is no directory", path,
				(int)n->name_len, n->name);
		n = tree_find(t, n, name, len);
	}
	*ret = n;
	return 0;
}
