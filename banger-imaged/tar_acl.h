/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* POSIX ACLs as GNU tar and star write them (SCHILY.acl.access and .default: acl(5), "short text
 * form"), as Linux keeps them (the value of system.posix_acl_access and _default). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define TAR_ACL_MAX 128 /* entries: more than ext4 has room for */

struct tar_acl {
	uint8_t value[4 + TAR_ACL_MAX * 8];
	uint32_t size;
	bool minimal; /* it says no more than the mode does */
};

/* Users and groups are numbers, or have one behind the permissions (star): names mean nothing
 * outside of the machine that wrote them, and are refused. */
int tar_acl_parse(const char *s, size_t n, struct tar_acl *ret, struct err *err);
