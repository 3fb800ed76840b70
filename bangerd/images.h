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
struct rpc_image_register_in;

/* `state_fd` is the state directory; it, and the others, must outlive the images. */
int images_create(const struct settings *settings, struct store *store, struct ipc *imaged,
	int state_fd, struct images **ret, struct err *err);
void images_destroy(struct images *im); /* NULL is allowed */

/* Remove the files that no row is about: what a crash left. At start. */
int images_sweep(struct images *im, struct err *err);

/*
 * The image that `ref` means to `uid`: by exact id, exact name of its own, exact name of root's,
 * digest, else the unique prefix of an id or name (root's own rule is the same, over everybody's).
 * Fails with not_found, or bad_request "multiple images match". The row is the caller's to finish.
 */
int images_find(
	struct images *im, uid_t uid, const char *ref, struct image_row *ret, struct err *err);

/* The image's ext4 file, read-only; bad_request for one that was registered: its owner has it. A
 * VM's row that names the image keeps it from being deleted; without one the fd still is good after
 * a deletion. */
int images_open(struct images *im, const vm_id *id, int *ret_fd, struct err *err);

/* Of an image in a registry. */
struct images_origin {
	const char *reference; /* canonical */
	const digest *digest;  /* of its manifest */
	bool catalog;	       /* the reference's digest is a catalog's, which may change */
};

/* The requests: see rpc.tbl.h. With an origin (NULL: none) the image must be that one. */
int images_import(struct images *im, struct call *call, struct rpc_image_import_in *in,
	const struct images_origin *origin, struct image_row *ret, struct err *err);
int images_delete(struct images *im, struct call *call, const char *ref, struct err *err);

/* ---- registered ones (images_registered.c) ---- */

/* See rpc.tbl.h. */
int images_register(struct images *im, struct call *call, const struct rpc_image_register_in *in,
	struct image_row *ret, struct err *err);

/* Whether an fd that somebody passed is the file that was registered, as it was; bad_input when it
 * changed. */
int images_check_file(const struct image_row *row, int fd, struct err *err);

/* ---- pulled ones (images_pulled.c) ---- */

/* The image that is to be used for a reference without asking a registry: of exactly this name, or
 * pulled by this canonical reference; the caller's own before root's, a newer before an older. 1,
 * 0 when there is none, or -1. The row is the caller's to finish, here and below. */
int images_find_reference(struct images *im, uid_t uid, const char *name, const char *canonical,
	struct image_row *ret, struct err *err);

/* An image of this digest; one of this name before others, the caller's own before root's. */
int images_find_digest(struct images *im, uid_t uid, const digest *d, const ref_name *name,
	struct image_row *ret, struct err *err);

/* May a pull make an image of this name? An older one of the same reference makes place; another
 * one only when it is said (`replace`). Space is looked at, too. */
int images_check_pull(struct images *im, uid_t uid, const ref_name *name,
	const struct images_origin *origin, bool replace, struct err *err);

/* `have` once more, for `owner`, under another name (in the place of what had it): the same file,
 * which never changes, so it takes no space. `origin` may be NULL: as `have` has it. */
int images_alias(struct images *im, uid_t owner, const struct image_row *have, const ref_name *name,
	const struct images_origin *origin, struct image_row *ret, struct err *err);

/* See rpc.tbl.h; the caller is root. */
int images_promote(struct images *im, const char *ref, const char *name, bool replace,
	struct image_row *ret, struct err *err);

/* Fails with no_space when less than is to stay free would be left after `need` bytes more. */
int images_check_space(struct images *im, uint64_t need, struct err *err);
