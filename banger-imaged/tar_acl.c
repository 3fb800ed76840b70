/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/tar_acl.h"

#include <archive.h>
#include <archive_entry.h>
#include <endian.h>
#include <limits.h>
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

static uint16_t tag_of(int tag)
{
	switch (tag) {
	case ARCHIVE_ENTRY_ACL_USER_OBJ:
		return USER_OBJ;
	case ARCHIVE_ENTRY_ACL_USER:
		return USER;
	case ARCHIVE_ENTRY_ACL_GROUP_OBJ:
		return GROUP_OBJ;
	case ARCHIVE_ENTRY_ACL_GROUP:
		return GROUP;
	case ARCHIVE_ENTRY_ACL_MASK:
		return MASK;
	default:
		return OTHER;
	}
}

static int take_entry(
	struct entry *e, int tag, int permissions, int id, const char *name, struct err *err)
{
	char who[64];

	*e = (struct entry){ tag_of(tag), (uint16_t)(permissions & 7), UNDEFINED_ID };
	if (!(e->tag & (USER | GROUP)))
		return 0;
	/* libarchive cuts larger numbers to this one. */
	if (id == INT_MAX)
		return err_set(err, ERR_bad_input, "an ACL names an id above %d", INT_MAX - 1);
	if (id < 0) {
		str_format(who, sizeof(who), "%.60s", name ? name : "");
		str_sanitize(who);
		return err_set(err, ERR_bad_input,
			"an ACL names '%s' without a number: write the archive with --xattrs "
			"--xattrs-include=* instead of --acls",
			who);
	}
	e->id = (uint32_t)id;
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
	for (uint32_t i = 0; i < n; i++) {
		uint8_t *dst = acl->value + 4 + (size_t)i * 8;
		uint16_t pair[2] = { htole16(entries[i].tag), htole16(entries[i].permissions) };
		uint32_t id = htole32(entries[i].id);

		memcpy(dst, pair, 4);
		memcpy(dst + 4, &id, 4);
		if (entries[i].tag == MASK)
			acl->mask = entries[i].permissions;
	}
	acl->size = 4 + n * 8;
}

/* The owner, the group and the others; a mask where somebody is named. Of two entries for the same
 * one libarchive keeps the later. */
static int check(const struct entry *e, uint32_t n, struct err *err)
{
	uint32_t seen = 0;

	for (uint32_t i = 0; i < n; i++)
		seen |= e[i].tag;
	if ((seen & (USER_OBJ | GROUP_OBJ | OTHER)) != (USER_OBJ | GROUP_OBJ | OTHER) ||
		((seen & (USER | GROUP)) && !(seen & MASK)))
		return err_set(err, ERR_bad_input, "an ACL is not complete");
	return 0;
}

int tar_acl_take(struct archive_entry *ae, bool access, struct tar_acl *ret, struct err *err)
{
	int want = access ? ARCHIVE_ENTRY_ACL_TYPE_ACCESS : ARCHIVE_ENTRY_ACL_TYPE_DEFAULT;
	int type, permissions, tag, id;
	struct entry entries[TAR_ACL_MAX];
	uint32_t n = 0;
	const char *name;

	ret->size = 0;
	if (archive_entry_acl_reset(ae, want) == 0)
		return 0;
	while (archive_entry_acl_next(ae, want, &type, &permissions, &tag, &id, &name) ==
		ARCHIVE_OK) {
		if (n == TAR_ACL_MAX)
			return err_set(
				err, ERR_bad_input, "an ACL has more than %d entries", TAR_ACL_MAX);
		if (take_entry(&entries[n++], tag, permissions, id, name, err) < 0)
			return -1;
	}
	qsort(entries, n, sizeof(*entries), by_tag);
	if (check(entries, n, err) < 0)
		return -1;
	ret->mask = 0;
	encode(ret, entries, n);
	return 0;
}
