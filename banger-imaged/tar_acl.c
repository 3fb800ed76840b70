/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/tar_acl.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "banger-imaged/tar_number.h"
#include "common/str.h"

/* include/uapi/linux/posix_acl.h and posix_acl_xattr.h */
enum { USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, GROUP = 8, MASK = 16, OTHER = 32 };
#define VERSION	     2U
#define UNDEFINED_ID UINT32_MAX

#define ENTRY_MAX 256 /* of one entry's text */
#define FIELDS	  4

struct entry {
	uint16_t tag, permissions;
	uint32_t id;
};

static uint16_t tag_of(const char *word, bool named)
{
	if (str_eq(word, "user") || str_eq(word, "u"))
		return named ? USER : USER_OBJ;
	if (str_eq(word, "group") || str_eq(word, "g"))
		return named ? GROUP : GROUP_OBJ;
	if (named)
		return 0;
	if (str_eq(word, "mask") || str_eq(word, "m"))
		return MASK;
	return str_eq(word, "other") || str_eq(word, "o") ? OTHER : 0;
}

static bool parse_permissions(const char *s, uint16_t *ret)
{
	uint16_t p = 0;

	for (; *s != '\0'; s++) {
		if (*s == 'r')
			p |= 4;
		else if (*s == 'w')
			p |= 2;
		else if (*s == 'x')
			p |= 1;
		else if (*s != '-')
			return false;
	}
	*ret = p;
	return true;
}

static int bad(const char *line, struct err *err)
{
	char shown[64];

	str_format(shown, sizeof(shown), "%.60s", line);
	str_sanitize(shown);
	return err_set(err, ERR_bad_input, "an ACL has an entry '%s', which is none", shown);
}

static int parse_id(const char *who, const char *number, uint32_t *ret, struct err *err)
{
	char shown[64];
	uint64_t id;

	if (!tar_number_decimal(number ? number : who, &id)) {
		str_format(shown, sizeof(shown), "%.60s", who);
		str_sanitize(shown);
		return err_set(err, ERR_bad_input,
			"an ACL names '%s' without a number: write the archive with --xattrs "
			"--xattrs-include=* instead of --acls",
			shown);
	}
	if (id >= UNDEFINED_ID)
		return err_set(err, ERR_bad_input, "an ACL names an id above %u", UNDEFINED_ID - 1);
	*ret = (uint32_t)id;
	return 0;
}

/* "user:NAME:rwx:ID", "user:ID:rwx", "user::rwx", "mask:rwx", …; a copy, which is cut. */
static int parse_entry(char *line, struct entry *e, struct err *err)
{
	char *field[FIELDS] = { NULL }, *p = line, *colon;
	char shown[ENTRY_MAX];
	unsigned n = 0;
	bool named, three;

	(void)str_copy(shown, sizeof(shown), line);
	do {
		if (n == FIELDS)
			return bad(shown, err);
		colon = strchr(p, ':');
		if (colon)
			*colon = '\0';
		field[n++] = p;
		p = colon ? colon + 1 : p;
	} while (colon);
	/* The owner, the mask and others may leave the empty field out. */
	three = n >= 3;
	named = three && field[1][0] != '\0';
	*e = (struct entry){ .tag = tag_of(line, named), .id = UNDEFINED_ID };
	if (n < 2 || e->tag == 0 || (n == FIELDS && !named) ||
		!parse_permissions(field[three ? 2 : 1], &e->permissions))
		return bad(shown, err);
	return named ? parse_id(field[1], field[3], &e->id, err) : 0;
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
	uint32_t version = htole32(VERSION), group = 0, mask = UINT32_MAX;

	acl->mode = 0;
	memcpy(acl->value, &version, 4);
	for (uint32_t i = 0; i < n; i++) {
		uint8_t *dst = acl->value + 4 + (size_t)i * 8;
		uint16_t pair[2] = { htole16(entries[i].tag), htole16(entries[i].permissions) };
		uint32_t id = htole32(entries[i].id);

		memcpy(dst, pair, 4);
		memcpy(dst + 4, &id, 4);
		if (entries[i].tag == USER_OBJ)
			acl->mode |= (uint32_t)entries[i].permissions << 6;
		else if (entries[i].tag == GROUP_OBJ)
			group = entries[i].permissions;
		else if (entries[i].tag == MASK)
			mask = entries[i].permissions;
		else if (entries[i].tag == OTHER)
			acl->mode |= entries[i].permissions;
	}
	acl->mode |= (mask == UINT32_MAX ? group : mask) << 3;
	acl->size = 4 + n * 8;
}

/* The owner, the group and the others; a mask where somebody is named; nobody twice. */
static int check(const struct entry *e, uint32_t n, struct err *err)
{
	uint32_t seen = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (i > 0 && by_tag(&e[i - 1], &e[i]) == 0)
			return err_set(err, ERR_bad_input, "an ACL names somebody twice");
		seen |= e[i].tag;
	}
	if ((seen & (USER_OBJ | GROUP_OBJ | OTHER)) != (USER_OBJ | GROUP_OBJ | OTHER) ||
		((seen & (USER | GROUP)) && !(seen & MASK)))
		return err_set(err, ERR_bad_input, "an ACL is not complete");
	return 0;
}

static int parse_entries(
	const char *text, struct entry entries[TAR_ACL_MAX], uint32_t *ret_n, struct err *err)
{
	char line[ENTRY_MAX];
	uint32_t n = 0;

	while (*text != '\0') {
		size_t len = strcspn(text, ",\n");

		if (len >= sizeof(line))
			return err_set(err, ERR_bad_input, "an ACL's entry is too long");
		memcpy(line, text, len);
		line[len] = '\0';
		text += len + (text[len] != '\0');
		if (len == 0)
			continue;
		if (n == TAR_ACL_MAX)
			return err_set(
				err, ERR_bad_input, "an ACL has more than %d entries", TAR_ACL_MAX);
		if (parse_entry(line, &entries[n++], err) < 0)
			return -1;
	}
	*ret_n = n;
	return 0;
}

int tar_acl_parse(const char *text, bool access, struct tar_acl *ret, struct err *err)
{
	struct entry entries[TAR_ACL_MAX];
	uint32_t n = 0;

	if (parse_entries(text, entries, &n, err) < 0)
		return -1;
	qsort(entries, n, sizeof(*entries), by_tag);
	if (check(entries, n, err) < 0)
		return -1;
	encode(ret, entries, n);
	if (access && n == 3)
		ret->size = 0;
	return 0;
}

bool tar_acl_is_valid(const void *value, size_t n)
{
	const uint8_t *p = value;
	uint32_t version;

	if (n < 4 + 3 * 8 || (n - 4) % 8 != 0)
		return false;
	memcpy(&version, p, 4);
	if (le32toh(version) != VERSION)
		return false;
	for (size_t at = 4; at < n; at += 8) {
		unsigned tag = p[at] | (unsigned)p[at + 1] << 8;

		/* One of the six, each a bit. */
		if (tag == 0 || tag > OTHER || (tag & (tag - 1)) != 0 || p[at + 2] > 7 ||
			p[at + 3] != 0)
			return false;
	}
	return true;
}
