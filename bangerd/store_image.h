/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Rows of images. Names are unique per owner. */
#include <sys/types.h>

#include "bangerd/store.h"

struct image_row {
	vm_id id; /* of the same form as a VM's */
	ref_name name;
	uid_t owner;
	digest digest;
	uint64_t size, entries;
	int64_t created_at; /* seconds since the epoch */
	text reference, user, directory, stop_signal;
	digest config; /* of its configuration; "": it has none */
	text path;     /* of a registered one, whose file is its owner's; else "" */
	text stamp;    /* what that file was then; of an imported one, when its file was made */
	/* The row's own. `layers` are two strings for each, oldest first: digest and size. */
	strv entrypoint, command, env, exposed_ports, layers;
};

void image_row_finish(struct image_row *r); /* for _cleanup_; harmless on a zeroed one */

/* Inside a transaction. Fails with already_exists when the owner has one of that name. */
int store_image_insert(struct store *s, const struct image_row *r, struct err *err);

/* Call `each` with every image that `uid` sees (its own and root's; all, for root), oldest first,
 * until it returns non-zero, which is returned (-1: it filled err). The row is gone afterwards. */
typedef int (*store_image_each)(void *ctx, struct image_row *r, struct err *err);
int store_image_list(struct store *s, enum store_side side, uid_t uid, store_image_each each,
	void *ctx, struct err *err);
int store_image_get(struct store *s, enum store_side side, const vm_id *id, struct image_row *ret,
	struct err *err);
