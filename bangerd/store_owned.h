/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the rows of images and kernels have alike: an id, a name of their owner's, VMs that use
 * them. */
#include <sys/types.h>

#include "bangerd/store.h"

enum store_owned { STORE_IMAGE, STORE_KERNEL };

/* What `owner` has under exactly this name: 1, or 0 when there is none. */
int store_owned_find(struct store *s, enum store_side side, enum store_owned what, uid_t owner,
	const char *name, vm_id *ret, struct err *err);

/* Fails with already_exists when there is one, and says what to do. `owner` is the one who is
 * told. */
int store_owned_is_free(
	struct store *s, enum store_owned what, uid_t owner, const char *name, struct err *err);

/* The VMs that use it, as strings in buf: the names of uid's own (all, for root), then "another
 * user's" if there are such, then "…" if not all did fit. */
int store_owned_users(struct store *s, enum store_side side, enum store_owned what, const vm_id *id,
	uid_t uid, char *buf, size_t cap, strv *ret, struct err *err);

/* Inside a transaction: the row goes. Fails with busy while VMs use it, and tells `uid` which. */
int store_owned_delete(struct store *s, enum store_owned what, const vm_id *id,
	const ref_name *name, uid_t uid, struct err *err);

/* Inside a transaction: what `owner` has under that name makes place. When VMs use it, it stays,
 * under its id alone; else its row goes, and *ret_gone is its id: 1, for its files to go, too. */
int store_owned_make_place(struct store *s, enum store_owned what, uid_t owner,
	const ref_name *name, vm_id *ret_gone, struct err *err);
