/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/tar_pax.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "banger-imaged/tar_number.h"
#include "common/str.h"

#define NONE ((struct tar_span){ 0, SIZE_MAX })

void tar_extended_reset(struct tar_extended *x)
{
	struct tar_extended kept = { .text = x->text, .room = x->room, .map = x->map };

	tar_map_reset(&kept.map);
	/* Of the xattrs only those that are counted mean anything. */
	memcpy(x, &kept, offsetof(struct tar_extended, xattrs));
	x->n_xattrs = 0;
	x->path = x->link = x->long_name = x->long_link = NONE;
	x->sparse_name = x->acl_access = x->acl_default = NONE;
}

void tar_extended_finish(struct tar_extended *x)
{
	free(x->text);
	tar_map_finish(&x->map);
	*x = (struct tar_extended){ 0 };
}

int tar_extended_room(struct tar_extended *x, size_t n, uint8_t **ret, struct err *err)
{
	size_t need = x->n + n + 1;

	if (need > x->room) {
		size_t room = need < 8192 ? 8192 : need * 2;
		uint8_t *grown = realloc(x->text, room);

		if (!grown)
			return err_sys(
				err, ERR_operation_failed, ENOMEM, "cannot read a tar header");
		x->text = grown;
		x->room = room;
	}
	*ret = x->text + x->n;
	return 0;
}

/* ---- records ---- */

typedef int take_fn(struct tar_extended *x, struct tar_span value, struct err *err);

static int no_number(const char *key, struct err *err)
{
	return err_set(err, ERR_bad_input, "a pax header's '%s' is no number of its kind", key);
}

static int take_number(struct tar_extended *x, struct tar_span value, const char *key, bool *has,
	uint64_t *ret, struct err *err)
{
	*has = value.n > 0;
	if (*has && !tar_number_decimal(tar_span_text(x, value), ret))
		return no_number(key, err);
	return 0;
}

static int take_size(struct tar_extended *x, struct tar_span value, struct err *err)
{
	return take_number(x, value, "size", &x->has_size, &x->size, err);
}

static int take_uid(struct tar_extended *x, struct tar_span value, struct err *err)
{
	return take_number(x, value, "uid", &x->has_uid, &x->uid, err);
}

static int take_gid(struct tar_extended *x, struct tar_span value, struct err *err)
{
	return take_number(x, value, "gid", &x->has_gid, &x->gid, err);
}

static int take_mtime(struct tar_extended *x, struct tar_span value, struct err *err)
{
	x->has_mtime = value.n > 0;
	if (x->has_mtime && !tar_number_time(tar_span_text(x, value), &x->mtime, &x->mtime_ns))
		return no_number("mtime", err);
	return 0;
}

/* An empty value takes back what was said before. */
static int take_span(struct tar_span *dst, struct tar_span value)
{
	*dst = value.n > 0 ? value : NONE;
	return 0;
}

static int take_path(struct tar_extended *x, struct tar_span value, struct err *err)
{
	return take_span(&x->path, value);
}

static int take_link(struct tar_extended *x, struct tar_span value, struct err *err)
{
	return take_span(&x->link, value);
}

static int take_acl_access(struct tar_extended *x, struct tar_span value, struct err *err)
{
	return take_span(&x->acl_access, value);
}

static int take_acl_default(struct tar_extended *x, struct tar_span value, struct err *err)
{
	return take_span(&x->acl_default, value);
}

static int take_sparse_name(struct tar_extended *x, struct tar_span value, struct err *err)
{
	return take_span(&x->sparse_name, value);
}

static int take_sparse_major(struct tar_extended *x, struct tar_span value, struct err *err)
{
	bool has;

	return take_number(x, value, "GNU.sparse.major", &has, &x->sparse_major, err);
}

static int take_sparse_minor(struct tar_extended *x, struct tar_span value, struct err *err)
{
	bool has;

	return take_number(x, value, "GNU.sparse.minor", &has, &x->sparse_minor, err);
}

static int take_sparse_size(struct tar_extended *x, struct tar_span value, struct err *err)
{
	return take_number(x, value, "GNU.sparse.size", &x->has_sparse_size, &x->sparse_size, err);
}

static int take_sparse_map(struct tar_extended *x, struct tar_span value, struct err *err)
{
	x->has_map = true;
	return tar_map_parse(&x->map, tar_span_text(x, value), err);
}

static int take_sparse_offset(struct tar_extended *x, struct tar_span value, struct err *err)
{
	if (x->has_offset)
		return err_set(err, ERR_bad_input, "a sparse map has an offset without a length");
	if (take_number(x, value, "GNU.sparse.offset", &x->has_offset, &x->offset, err) < 0)
		return -1;
	x->has_map = true;
	return 0;
}

static int take_sparse_numbytes(struct tar_extended *x, struct tar_span value, struct err *err)
{
	bool has = false;
	uint64_t n = 0;

	if (take_number(x, value, "GNU.sparse.numbytes", &has, &n, err) < 0)
		return -1;
	if (!has || !x->has_offset)
		return err_set(err, ERR_bad_input, "a sparse map has a length without an offset");
	x->has_offset = false;
	return tar_map_add(&x->map, x->offset, n, err);
}

static int refuse_solaris(struct tar_extended *x, struct tar_span value, struct err *err)
{
	return err_set(err, ERR_bad_input, "a sparse file as Solaris writes it");
}

/* ---- xattrs ---- */

/* Of the namespaces that Linux has (xattr(7)). What else a tar brings (macOS writes "com.apple.…")
 * no file system here takes, and container engines leave it out, too. */
static bool xattr_is_linux(const char *name)
{
	static const char *const namespaces[] = { "user.", "trusted.", "security." };

	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
		if (str_starts(name, namespaces[i]) && name[strlen(namespaces[i])] != '\0')
			return true;
	return str_eq(name, "system.posix_acl_access") || str_eq(name, "system.posix_acl_default");
}

static int add_xattr(
	struct tar_extended *x, struct tar_span name, struct tar_span value, struct err *err)
{
	const char *text = tar_span_text(x, name);

	if (!xattr_is_linux(text))
		return 0;
	/* The last of a name counts. */
	for (uint32_t i = 0; i < x->n_xattrs; i++)
		if (str_eq(tar_span_text(x, x->xattrs[i].name), text)) {
			x->xattrs[i].value = value;
			return 0;
		}
	if (x->n_xattrs == TAR_PAX_XATTRS)
		return err_set(
			err, ERR_bad_input, "a file has more than %d xattrs", TAR_PAX_XATTRS);
	x->xattrs[x->n_xattrs].name = name;
	x->xattrs[x->n_xattrs++].value = value;
	return 0;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int base64(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* libarchive's own: the name with %XX, the value in base 64; both become shorter in place. */
static int add_encoded_xattr(
	struct tar_extended *x, struct tar_span name, struct tar_span value, struct err *err)
{
	uint8_t *p = x->text + name.at, *v = x->text + value.at;
	size_t to = 0, n = 0;
	uint32_t bits = 0;

	for (size_t i = 0; i < name.n; i++) {
		int high = p[i] == '%' && i + 2 < name.n ? hex((char)p[i + 1]) : -1;
		int low = high >= 0 ? hex((char)p[i + 2]) : -1;

		p[to++] = low >= 0 ? (uint8_t)(high << 4 | low) : p[i];
		i += low >= 0 ? 2 : 0;
	}
	name.n = to;
	p[to] = '\0';
	for (to = 0; n < value.n && v[n] != '='; n++) {
		int b = base64(v[n]);

		if (b < 0)
			return err_set(err, ERR_bad_input, "an xattr's value is no base 64");
		bits = bits << 6 | (uint32_t)b;
		if (n % 4 > 0)
			v[to++] = (uint8_t)(bits >> (6 - 2 * (n % 4)));
	}
	value.n = to;
	if (strlen((char *)p) != name.n)
		return err_set(err, ERR_bad_input, "an xattr's name has a NUL in it");
	return add_xattr(x, name, value, err);
}

static int take_xattr(struct tar_extended *x, const char *key, struct tar_span name,
	struct tar_span value, bool *ret_was, struct err *err)
{
	static const char *const prefixes[] = { "SCHILY.xattr.", "LIBARCHIVE.xattr.", "RHT." };
	size_t skip;

	*ret_was = true;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		if (!str_starts(key, prefixes[i]) ||
			(i == 2 && !str_eq(key, "RHT.security.selinux")))
			continue;
		skip = strlen(prefixes[i]);
		name.at += skip;
		name.n -= skip;
		return i == 1 ? add_encoded_xattr(x, name, value, err)
			      : add_xattr(x, name, value, err);
	}
	*ret_was = false;
	return 0;
}

static int take_record(
	struct tar_extended *x, struct tar_span name, struct tar_span value, struct err *err)
{
	static const struct {
		const char *key;
		take_fn *take;
	} keys[] = {
		{ "path", take_path },
		{ "linkpath", take_link },
		{ "size", take_size },
		{ "uid", take_uid },
		{ "gid", take_gid },
		{ "mtime", take_mtime },
		{ "GNU.sparse.major", take_sparse_major },
		{ "GNU.sparse.minor", take_sparse_minor },
		{ "GNU.sparse.name", take_sparse_name },
		{ "GNU.sparse.size", take_sparse_size },
		{ "GNU.sparse.realsize", take_sparse_size },
		{ "GNU.sparse.map", take_sparse_map },
		{ "GNU.sparse.offset", take_sparse_offset },
		{ "GNU.sparse.numbytes", take_sparse_numbytes },
		{ "SCHILY.acl.access", take_acl_access },
		{ "SCHILY.acl.default", take_acl_default },
		{ "SUN.holesdata", refuse_solaris },
	};
	const char *key = tar_span_text(x, name);
	bool was;

	if (strlen(key) != name.n)
		return err_set(err, ERR_bad_input, "a pax record's key has a NUL in it");
	if (take_xattr(x, key, name, value, &was, err) < 0)
		return -1;
	for (size_t i = 0; !was && i < ARRAY_SIZE(keys); i++) {
		if (!str_eq(key, keys[i].key))
			continue;
		if (strlen(tar_span_text(x, value)) != value.n)
			return err_set(
				err, ERR_bad_input, "a pax header's '%s' has a NUL in it", key);
		return keys[i].take(x, value, err);
	}
	return 0;
}

static int malformed(struct err *err)
{
	return err_set(err, ERR_bad_input, "a pax header's records are malformed");
}

/* "LENGTH KEY=VALUE\n", LENGTH being all of it. */
static int parse_record(struct tar_extended *x, size_t *at, size_t end, struct err *err)
{
	size_t begin = *at, length = 0, p = begin;
	struct tar_span name, value;
	uint8_t *equals;

	for (; p < end && p < begin + 8 && x->text[p] >= '0' && x->text[p] <= '9'; p++)
		length = length * 10 + (x->text[p] - '0');
	if (p == begin || p == end || x->text[p] != ' ' || length > end - begin ||
		begin + length < p + 3 || x->text[begin + length - 1] != '\n')
		return malformed(err);
	name.at = p + 1;
	equals = memchr(x->text + name.at, '=', begin + length - 1 - name.at);
	if (!equals || equals == x->text + name.at)
		return malformed(err);
	name.n = (size_t)(equals - x->text) - name.at;
	value.at = name.at + name.n + 1;
	value.n = begin + length - 1 - value.at;
	*equals = '\0';
	x->text[begin + length - 1] = '\0';
	*at = begin + length;
	return take_record(x, name, value, err);
}

int tar_extended_records(struct tar_extended *x, size_t n, struct err *err)
{
	size_t at = x->n, end = x->n + n;

	x->n = end;
	while (at < end)
		if (parse_record(x, &at, end, err) < 0)
			return -1;
	return 0;
}

int tar_extended_long(struct tar_extended *x, size_t n, bool link, struct err *err)
{
	struct tar_span text = { x->n, n };

	x->text[x->n + n] = '\0';
	x->n += n + 1;
	while (text.n > 0 && x->text[text.at + text.n - 1] == '\0')
		text.n--;
	if (strlen(tar_span_text(x, text)) != text.n)
		return err_set(err, ERR_bad_input, "a GNU header's name has a NUL in it");
	*(link ? &x->long_link : &x->long_name) = text;
	return 0;
}
