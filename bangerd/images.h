/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Images: one ext4 file and one row each. A caller sees its own and root's. What is in the
 * directory without a row, or half made, is removed at start.
 */
#include <sys/types.h>

#include "bangerd/store_image.h"
#include "common/err.h"

struct images;
struct ipc;
struct settings;
struct call;
struct rpc_image_import_in;

/* `state_fd` is the state directory; it, and the others, must outlive the images. */
int images_create(const struct settings *settings, struct store *store, struct ipc *imaged,
	int state_fd, struct images **ret, struct err *err);
void images_destroy(struct images *im); /* NULL is allowed */

/*
 * The image that `ref` means to `uid`: by exact id, exact name of its own, exact name of root's,
 * digest, else the unique prefix of an id or name (root's own rule is the same, over everybody's).
 * Fails with not_found, or bad_request "multiple images match". The row is the caller's to finish.
 */
int images_find(
	struct images *im, uid_t uid, const char *ref, struct image_row *ret, struct err *err);

/* The image's ext4 file, read-only. A VM's row that names the image keeps it from being deleted;
 * without one the fd still is good after a deletion. */
int images_open(struct images *im, const vm_id *id, int *ret_fd, struct err *err);

/* The requests: see rpc.tbl.h. */
int images_import(struct images *im, struct call *call, struct rpc_image_import_in *in,
	struct image_row *ret, struct err *err);
int images_delete(struct images *im, struct call *call, const char *ref, struct err *err);
