/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <sys/types.h>

#include "bangerd/store.h"

/* The rows (name, owner) of a query as strings in buf: the names of uid's own VMs (all, for root),
 * then "another user's" if there are such, then "…" if not all did fit. */
int store_users_read(struct query *q, uid_t uid, char *buf, size_t cap, strv *ret, struct err *err);

/* The same with ", " between them. */
void store_users_text(const strv *users, char *dst, size_t cap);
