/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/tar_pax.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "banger-imaged/tar_acl.h"
#include "common/str.h"

#define NS_PER_S       1000000000U
#define SPARSE_NUMBERS 131072 /* 65,536 segments: a map of 1 MiB has no more in practice */
#define XATTRS	       256    /* of one file; ext4 has room for far fewer */
#define XATTR_NAME     255

struct record {
	const char *key, *value;
	size_t key_len, value_len;
};

static bool key_is(const struct record *r, const char *key)
{
	return strlen(key) == r->key_len && memcmp(key, r->key, r->key_len) == 0;
}

static const char *key_after(const struct record *r, const char *prefix)
{
	size_t n = strlen(prefix);

	return r->key_len > n && memcmp(r->key, prefix, n) == 0 ? r->key + n : NULL;
}

static bool number(const char *s, size_t n, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (n == 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (s[i] < '0' || s[i] > '9' || ckd_mul(&v, v, (uint64_t)10) ||
			ckd_add(&v, v, (uint64_t)(s[i] - '0')))
			return false;
	if (v > max)
		return false;
	*ret = v;
	return true;
}

bool pax_time(const char *s, size_t n, int64_t *ret_s, uint32_t *ret_ns)
{
	bool negative = n > 0 && s[0] == '-', rest = false;
	uint32_t ns = 0, unit = NS_PER_S / 10;
	const char *dot;
	uint64_t v;
	int64_t sec;

	if (negative) {
		s++;
		n--;
	}
	dot = memchr(s, '.', n);
	if (!number(s, dot ? (size_t)(dot - s) : n, INT64_MAX / 2, &v))
		return false;
	for (size_t i = dot ? (size_t)(dot - s) + 1 : n; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		ns += (uint32_t)(s[i] - '0') * unit;
		rest = rest || (unit == 0 && s[i] != '0');
		unit /= 10;
	}
	sec = (int64_t)v;
	if (negative) {
		/* Towards the past, as a finer clock would be cut. */
		ns += rest ? 1 : 0;
		sec = -sec - (ns > 0 ? 1 : 0);
		ns = ns > 0 ? NS_PER_S - ns : 0;
	}
	*ret_s = sec;
	*ret_ns = ns;
	return true;
}

static int take_text(const struct record *r, char **dst, struct err *err)
{
	char *copy;

	if (memchr(r->value, '\0', r->value_len))
		return err_set(err, ERR_bad_input, "a pax %.*s record has a NUL in it",
			(int)r->key_len, r->key);
	if (r->value_len >= TAR_PATH_MAX)
		return err_set(err, ERR_bad_input, "a pax %.*s record is longer than %d bytes",
			(int)r->key_len, r->key, TAR_PATH_MAX - 1);
	/* An empty value takes back what an earlier record said. */
	copy = r->value_len > 0 ? strndup(r->value, r->value_len) : NULL;
	if (r->value_len > 0 && !copy)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read a tar header");
	free(*dst);
	*dst = copy;
	return 0;
}

static int take_xattr(struct pax *pax, const char *name, size_t name_len, const struct record *r,
	const struct image_limits *limits, struct err *err)
{
	struct tar_xattr *x = NULL;
	uint8_t *value;

	if (name_len > XATTR_NAME || memchr(name, '\0', name_len))
		return err_set(
			err, ERR_bad_input, "an xattr's name is longer than %d bytes", XATTR_NAME);
	if (r->value_len > limits->xattr)
		return err_set(err, ERR_bad_input, "the xattr '%.*s' is larger than %u bytes",
			(int)name_len, name, limits->xattr);
	for (uint32_t i = 0; i < pax->n_xattrs && !x; i++)
		if (strlen(pax->xattrs[i].name) == name_len &&
			memcmp(pax->xattrs[i].name, name, name_len) == 0)
			x = &pax->xattrs[i];
	if (!x && pax->n_xattrs == XATTRS)
		return err_set(err, ERR_bad_input, "a file has more than %d xattrs", XATTRS);
	value = malloc(r->value_len + 1);
	if (!value)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read a tar header");
	if (!x) {
		struct tar_xattr *grown =
			realloc(pax->xattrs, (pax->n_xattrs + 1) * sizeof(*pax->xattrs));
		char *copy = strndup(name, name_len);

		if (grown)
			pax->xattrs = grown;
		if (!grown || !copy) {
			free(copy);
			free(value);
			return err_sys(
				err, ERR_operation_failed, ENOMEM, "cannot read a tar header");
		}
		x = &pax->xattrs[pax->n_xattrs++];
		*x = (struct tar_xattr){ .name = copy };
	}
	memcpy(value, r->value, r->value_len);
	free(x->value);
	x->value = value;
	x->size = (uint32_t)r->value_len;
	return 0;
}

/* Of the namespaces that Linux has (xattr(7)). What else a tar brings (macOS writes "com.apple.…")
 * no file system here takes, and container engines leave it out, too. */
static bool xattr_is_linux(const char *name, size_t n)
{
	static const char *const namespaces[] = { "user.", "trusted.", "security." };
	static const char *const acls[] = { "system.posix_acl_access", "system.posix_acl_default" };

	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
		if (n > strlen(namespaces[i]) &&
			memcmp(name, namespaces[i], strlen(namespaces[i])) == 0)
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(acls); i++)
		if (n == strlen(acls[i]) && memcmp(name, acls[i], n) == 0)
			return true;
	return false;
}

static int sparse_number(struct pax *pax, const char *s, size_t n, struct err *err)
{
	uint64_t v;

	if (!number(s, n, INT64_MAX, &v))
		return err_set(err, ERR_bad_input, "a sparse map has something else than numbers");
	if (pax->n_sparse_numbers == SPARSE_NUMBERS)
		return err_set(err, ERR_bad_input, "a sparse map has more than %d segments",
			SPARSE_NUMBERS / 2);
	if ((pax->n_sparse_numbers & (pax->n_sparse_numbers - 1)) == 0) {
		uint32_t room = pax->n_sparse_numbers ? pax->n_sparse_numbers * 2 : 1;
		uint64_t *grown = realloc(pax->sparse_numbers, room * sizeof(*grown));

		if (!grown)
			return err_sys(
				err, ERR_operation_failed, ENOMEM, "cannot read a sparse map");
		pax->sparse_numbers = grown;
	}
	pax->sparse_numbers[pax->n_sparse_numbers++] = v;
	return 0;
}

static int sparse_map(struct pax *pax, const struct record *r, struct err *err)
{
	const char *p = r->value, *end = r->value + r->value_len;

	pax->n_sparse_numbers = 0;
	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		const char *stop = comma ? comma : end;

		if (sparse_number(pax, p, (size_t)(stop - p), err) < 0)
			return -1;
		p = comma ? comma + 1 : end;
	}
	return 0;
}

/* GNU.sparse.*: formats 0.0 (offset and numbytes, each many times), 0.1 (map), 1.0 (major). */
static int take_sparse(
	struct pax *pax, const struct record *r, const char *what, size_t n, struct err *err)
{
	struct record key = { .key = what, .key_len = n };
	uint64_t v;

	pax->sparse = true;
	if (key_is(&key, "name"))
		return take_text(r, &pax->sparse_name, err);
	if (key_is(&key, "map"))
		return sparse_map(pax, r, err);
	if (key_is(&key, "offset") || key_is(&key, "numbytes")) {
		if ((pax->n_sparse_numbers & 1) != key_is(&key, "numbytes"))
			return err_set(err, ERR_bad_input, "a sparse map is out of order");
		return sparse_number(pax, r->value, r->value_len, err);
	}
	if (!number(r->value, r->value_len, INT64_MAX, &v))
		return err_set(err, ERR_bad_input, "a pax %.*s record is no number",
			(int)r->key_len, r->key);
	if (key_is(&key, "size") || key_is(&key, "realsize")) {
		pax->sparse_size = v;
		pax->has_sparse_size = true;
	} else if (key_is(&key, "major")) {
		if (v > 1)
			return err_set(err, ERR_bad_input, "an unknown sparse format");
		pax->sparse_major = (uint32_t)v;
	}
	return 0;
}

static int take_id(const struct record *r, bool *has, uint32_t *ret, uint64_t max, struct err *err)
{
	uint64_t v = 0;

	if (r->value_len > 0 && !number(r->value, r->value_len, max, &v))
		return err_set(err, ERR_bad_input, "a pax %.*s record is not a number up to %llu",
			(int)r->key_len, r->key, (unsigned long long)max);
	*has = r->value_len > 0;
	*ret = (uint32_t)v;
	return 0;
}

static int take_mtime(struct pax *pax, const struct record *r, struct err *err)
{
	pax->has_mtime = r->value_len > 0;
	if (pax->has_mtime && !pax_time(r->value, r->value_len, &pax->mtime, &pax->mtime_ns))
		return err_set(err, ERR_bad_input, "a pax mtime record is no time");
	return 0;
}

/* An empty one, or an access ACL that only repeats the mode, is none. */
static int take_acl(struct pax *pax, const struct record *r, const char *name, bool access,
	const struct image_limits *limits, struct err *err)
{
	struct record value = { 0 };
	struct tar_acl acl = { 0 };

	if (r->value_len == 0)
		return 0;
	if (tar_acl_parse(r->value, r->value_len, &acl, err) < 0)
		return -1;
	if (access && acl.minimal)
		return 0;
	value.value = (const char *)acl.value;
	value.value_len = acl.size;
	return take_xattr(pax, name, strlen(name), &value, limits, err);
}

static int take_record(struct pax *pax, const struct record *r, bool global,
	const struct image_limits *limits, struct err *err)
{
	const char *name;
	bool is_size = key_is(r, "size");

	if (key_is(r, "uid"))
		return take_id(r, &pax->has_uid, &pax->uid, UINT32_MAX - 1, err);
	if (key_is(r, "gid"))
		return take_id(r, &pax->has_gid, &pax->gid, UINT32_MAX - 1, err);
	if (key_is(r, "mtime"))
		return take_mtime(pax, r, err);
	if (global &&
		(is_size || key_is(r, "path") || key_is(r, "linkpath") || key_after(r, "SCHILY.") ||
			key_after(r, "GNU.sparse.") || key_after(r, "LIBARCHIVE.xattr.")))
		return err_set(err, ERR_bad_input, "a global pax header sets %.*s for all files",
			(int)r->key_len, r->key);
	if (key_is(r, "path"))
		return take_text(r, &pax->path, err);
	if (key_is(r, "linkpath"))
		return take_text(r, &pax->link, err);
	if (is_size) {
		pax->has_size = r->value_len > 0;
		if (pax->has_size && !number(r->value, r->value_len, INT64_MAX, &pax->size))
			return err_set(err, ERR_bad_input, "a pax size record is no size");
		return 0;
	}
	if (key_is(r, "SCHILY.devmajor"))
		return take_id(r, &pax->has_major, &pax->major, UINT32_MAX, err);
	if (key_is(r, "SCHILY.devminor"))
		return take_id(r, &pax->has_minor, &pax->minor, UINT32_MAX, err);
	if (key_is(r, "SCHILY.acl.access"))
		return take_acl(pax, r, "system.posix_acl_access", true, limits, err);
	if (key_is(r, "SCHILY.acl.default"))
		return take_acl(pax, r, "system.posix_acl_default", false, limits, err);
	name = key_after(r, "SCHILY.xattr.");
	if (name && xattr_is_linux(name, r->key_len - (size_t)(name - r->key)))
		return take_xattr(pax, name, r->key_len - (size_t)(name - r->key), r, limits, err);
	name = key_after(r, "GNU.sparse.");
	if (name)
		return take_sparse(pax, r, name, r->key_len - (size_t)(name - r->key), err);
	/* Everything else (atime, ctime, uname, comment, LIBARCHIVE.xattr, which repeats what
	 * SCHILY.xattr says…) has no place in the file system, or no effect on it. */
	return 0;
}

/* "LENGTH KEY=VALUE\n", LENGTH counting all of it. */
static bool split(const uint8_t *p, size_t n, struct record *ret, size_t *ret_len)
{
	const char *s = (const char *)p, *space = memchr(s, ' ', n < 16 ? n : 16), *eq;
	uint64_t len;

	if (!space || !number(s, (size_t)(space - s), n, &len) || len < (size_t)(space - s) + 4 ||
		s[len - 1] != '\n')
		return false;
	ret->key = space + 1;
	eq = memchr(ret->key, '=', (size_t)(s + len - ret->key));
	if (!eq || eq == ret->key)
		return false;
	ret->key_len = (size_t)(eq - ret->key);
	ret->value = eq + 1;
	ret->value_len = (size_t)(s + len - 1 - ret->value);
	*ret_len = (size_t)len;
	return true;
}

int pax_parse(struct pax *pax, const uint8_t *p, size_t n, bool global,
	const struct image_limits *limits, struct err *err)
{
	while (n > 0) {
		struct record r;
		size_t len;

		if (!split(p, n, &r, &len))
			return err_set(err, ERR_bad_input, "a pax header has a malformed record");
		if (take_record(pax, &r, global, limits, err) < 0)
			return -1;
		p += len;
		n -= len;
	}
	return 0;
}

void pax_finish(struct pax *pax)
{
	free(pax->path);
	free(pax->link);
	free(pax->sparse_name);
	free(pax->sparse_numbers);
	for (uint32_t i = 0; i < pax->n_xattrs; i++) {
		free(pax->xattrs[i].name);
		free(pax->xattrs[i].value);
	}
	free(pax->xattrs);
	*pax = (struct pax){ 0 };
}
