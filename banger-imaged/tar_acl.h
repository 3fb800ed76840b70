/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* POSIX ACLs that an archive has as text (SCHILY.acl.access and .default, as GNU tar and star write
 * them), as Linux keeps them: the value of system.posix_acl_access and _default. */
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

struct archive_entry;

#define TAR_ACL_MAX 128 /* entries: more than ext4 has room for */

struct tar_acl {
	uint8_t value[4 + TAR_ACL_MAX * 8];
	uint32_t size; /* 0: there is none, or one that says no more than the mode does */
	uint32_t mask; /* its permissions: the mode's of the group, where there is an ACL */
};

/* Users and groups are numbers, or have one behind the permissions (star): names mean nothing
 * outside of the machine that wrote them, and are refused. */
int tar_acl_take(struct archive_entry *ae, bool access, struct tar_acl *ret, struct err *err);
