/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* POSIX ACLs, as text (SCHILY.acl.access and .default, as GNU tar and star write them) and as Linux
 * keeps them: the value of system.posix_acl_access and _default. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define TAR_ACL_MAX 128 /* entries: more than ext4 has room for */

struct tar_acl {
	uint8_t value[4 + TAR_ACL_MAX * 8];
	uint32_t size; /* 0: one that says no more than the mode does (of access alone) */
	uint32_t mode; /* 0777, what an ACL of access makes of the mode */
};

/* Users and groups are numbers, or have one behind the permissions (star): names mean nothing
 * outside of the machine that wrote them, and are refused. */
int tar_acl_parse(const char *text, bool access, struct tar_acl *ret, struct err *err);

/* Whether a value is an ACL at all (posix_acl_xattr.h). */
bool tar_acl_is_valid(const void *value, size_t n);
