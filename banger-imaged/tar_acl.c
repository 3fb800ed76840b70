/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/tar_acl.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "common/str.h"

/* include/uapi/linux/posix_acl.h and posix_acl_xattr.h */
enum { USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, GROUP = 8, MASK = 16, OTHER = 32 };
#define VERSION	     2U
#define UNDEFINED_ID UINT32_MAX

struct entry {
	uint16_t tag, permissions;
	uint32_t id;
};

/* The part up to a colon or the end; *s moves behind it. */
static bool part(const char **s, const char *end, char *dst, size_t cap)
{
	const char *colon = *s < end ? memchr(*s, ':', (size_t)(end - *s)) : NULL;
	size_t n = (size_t)((colon ? colon : end) - *s);

	if (n >= cap)
		return false;
	memcpy(dst, *s, n);
	dst[n] = '\0';
	*s = colon ? colon + 1 : end;
	return true;
}

static bool parse_permissions(const char *s, uint16_t *ret)
{
	static const char letters[] = "rwx";

	*ret = 0;
	if (strlen(s) != 3)
		return false;
	for (int i = 0; i < 3; i++) {
		if (s[i] != letters[i] && s[i] != '-')
			return false;
		*ret = (uint16_t)(*ret << 1 | (s[i] != '-'));
	}
	return true;
}

static bool parse_tag(const char *tag, bool named, uint16_t *ret)
{
	if (str_eq(tag, "user") || str_eq(tag, "u"))
		*ret = named ? USER : USER_OBJ;
	else if (str_eq(tag, "group") || str_eq(tag, "g"))
		*ret = named ? GROUP : GROUP_OBJ;
	else if (str_eq(tag, "mask") || str_eq(tag, "m"))
		*ret = MASK;
	else if (str_eq(tag, "other") || str_eq(tag, "o"))
		*ret = OTHER;
	else
		return false;
	return !named || *ret == USER || *ret == GROUP;
}

/* "user:1000:rw-", "user:lisa:rw-:1000", "mask::rwx", "other:r--" */
static int parse_entry(const char *s, const char *end, struct entry *ret, struct err *err)
{
	char tag[8], name[256], permissions[256], number[16];
	uint64_t id = UNDEFINED_ID;
	bool named;

	if (!part(&s, end, tag, sizeof(tag)) || !part(&s, end, name, sizeof(name)) ||
		!part(&s, end, permissions, sizeof(permissions)) ||
		!part(&s, end, number, sizeof(number)) || s != end)
		return err_set(err, ERR_bad_input, "an ACL has a malformed entry");
	/* Without a name the second colon may be missing. */
	if (permissions[0] == '\0') {
		memcpy(permissions, name, sizeof(permissions));
		name[0] = '\0';
	}
	named = name[0] != '\0';
	if (!parse_tag(tag, named, &ret->tag) || !parse_permissions(permissions, &ret->permissions))
		return err_set(err, ERR_bad_input, "an ACL has a malformed entry");
	if (named && !str_to_u64(number[0] ? number : name, 0, UINT32_MAX - 1, &id)) {
		str_sanitize(name);
		return err_set(err, ERR_bad_input,
			"an ACL names '%s' without a number: write the archive with --xattrs "
			"--xattrs-include=* instead of --acls",
			name);
	}
	ret->id = (uint32_t)id;
	return 0;
}

static int by_tag(const void *va, const void *vb)
{
	const struct entry *a = va, *b = vb;

	if (a->tag != b->tag)
		return a->tag < b->tag ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

static void encode(struct tar_acl *acl, const struct entry *entries, uint32_t n)
{
	uint32_t version = htole32(VERSION);

	memcpy(acl->value, &version, 4);
	acl->minimal = true;
	for (uint32_t i = 0; i < n; i++) {
		uint8_t *dst = acl->value + 4 + (size_t)i * 8;
		uint16_t pair[2] = { htole16(entries[i].tag), htole16(entries[i].permissions) };
		uint32_t id = htole32(entries[i].id);

		memcpy(dst, pair, 4);
		memcpy(dst + 4, &id, 4);
		acl->minimal = acl->minimal && !(entries[i].tag & (USER | GROUP | MASK));
	}
	acl->size = 4 + n * 8;
}

/* The owner, the group and the others once; a mask where somebody is named; nobody twice. */
static int check(const struct entry *e, uint32_t n, struct err *err)
{
	uint32_t seen = 0;

	for (uint32_t i = 0; i < n; i++) {
		bool same = i > 0 && e[i].tag == e[i - 1].tag;

		if (same && (!(e[i].tag & (USER | GROUP)) || e[i].id == e[i - 1].id))
			return err_set(err, ERR_bad_input, "an ACL has an entry twice");
		seen |= e[i].tag;
	}
	if ((seen & (USER_OBJ | GROUP_OBJ | OTHER)) != (USER_OBJ | GROUP_OBJ | OTHER) ||
		((seen & (USER | GROUP)) && !(seen & MASK)))
		return err_set(err, ERR_bad_input, "an ACL is not complete");
	return 0;
}

int tar_acl_parse(const char *s, size_t n, struct tar_acl *ret, struct err *err)
{
	const char *end = s + n;
	struct entry entries[TAR_ACL_MAX];
	uint32_t count = 0;

	while (s < end) {
		size_t len = 0;

		while (s + len < end && s[len] != ',' && s[len] != '\n')
			len++;
		if (len > 0 && count == TAR_ACL_MAX)
			return err_set(
				err, ERR_bad_input, "an ACL has more than %d entries", TAR_ACL_MAX);
		if (len > 0 && parse_entry(s, s + len, &entries[count++], err) < 0)
			return -1;
		s += len;
		s += s < end;
	}
	qsort(entries, count, sizeof(*entries), by_tag);
	if (check(entries, count, err) < 0)
		return -1;
	encode(ret, entries, count);
	return 0;
}
