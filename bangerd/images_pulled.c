/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images of registries: which is here already, and one image under several names. */
#include <string.h>
#include <time.h>

#include "bangerd/images_impl.h"
#include "bangerd/saga.h"
#include "bangerd/store_owned.h"
#include "common/log.h"
#include "common/settings.h"
#include "common/str.h"

int images_check_space(struct images *im, uint64_t need, struct err *err)
{
	return blobs_check_space(&im->blobs, need, im->settings->image_min_free, err);
}

/* ---- finding ---- */

struct find {
	uid_t uid;
	const char *name, *canonical; /* of a reference */
	const digest *digest;
	struct image_row best;
	int rank; /* of the best; 0: none */
};

static int rank_of(const struct find *f, const struct image_row *r)
{
	bool named = str_eq(r->name.s, f->name);
	int rank = 0;

	/* Root sees everybody's, and uses its own. */
	if (r->owner != f->uid && r->owner != 0)
		return 0;
	if (f->digest && !r->path.s[0] && str_eq(r->digest.s, f->digest->s))
		rank = named ? 3 : 1;
	else if (!f->digest && (named || str_eq(r->reference.s, f->canonical)))
		rank = named ? 3 : 1;
	return rank > 0 && r->owner == f->uid ? rank + 1 : rank;
}

/* Oldest first: of two alike the newer stays. */
static int offer(void *ctx, struct image_row *r, struct err *err)
{
	struct find *f = ctx;
	int rank = rank_of(f, r);

	if (rank == 0 || rank < f->rank)
		return 0;
	image_row_finish(&f->best);
	f->best = *r;
	*r = (struct image_row){ 0 };
	f->rank = rank;
	return 0;
}

static int find(struct images *im, struct find *f, struct image_row *ret, struct err *err)
{
	if (store_image_list(im->store, STORE_READ, f->uid, offer, f, err) < 0) {
		image_row_finish(&f->best);
		return -1;
	}
	if (f->rank == 0)
		return 0;
	*ret = f->best;
	return 1;
}

int images_find_reference(struct images *im, uid_t uid, const char *name, const char *canonical,
	struct image_row *ret, struct err *err)
{
	struct find f = { .uid = uid, .name = name, .canonical = canonical };

	return find(im, &f, ret, err);
}

int images_find_digest(struct images *im, uid_t uid, const digest *d, const ref_name *name,
	struct image_row *ret, struct err *err)
{
	struct find f = { .uid = uid, .name = name->s, .digest = d };

	return find(im, &f, ret, err);
}

/* Whether an image is an older one of what is pulled now. */
static bool is_older(const char *reference, const struct images_origin *origin)
{
	size_t n = strcspn(reference, "@");

	if (str_eq(reference, origin->reference))
		return true;
	return origin->catalog && n > 0 && strcspn(origin->reference, "@") == n &&
	       strncmp(reference, origin->reference, n) == 0;
}

int images_check_pull(struct images *im, uid_t uid, const ref_name *name,
	const struct images_origin *origin, bool replace, struct err *err)
{
	_cleanup_(image_row_finish) struct image_row own = { 0 };
	vm_id id;
	int found = store_owned_find(im->store, STORE_READ, STORE_IMAGE, uid, name->s, &id, err);

	if (found < 0 || (found > 0 && store_image_get(im->store, STORE_READ, &id, &own, err) < 0))
		return -1;
	if (found > 0 && !replace && !is_older(own.reference.s, origin))
		return err_set(err, ERR_already_exists,
			"you have an image '%s' already, which is not of %s: choose another name, "
			"or replace it",
			name->s, origin->reference);
	return images_check_space(im, 0, err);
}

/* ---- a second name ---- */

struct alias {
	struct images *im;
	const struct image_row *have;
	struct image_row row;
};

static int do_link(void *ctx, struct err *err)
{
	struct alias *a = ctx;

	if (blobs_link(&a->im->blobs, &a->have->id, &a->row.id, IMAGES_SUFFIX, err) < 0)
		return -1;
	return blobs_sync(&a->im->blobs, err);
}

static void undo_link(void *ctx)
{
	struct alias *a = ctx;
	struct err err = ERR_INIT;

	if (blobs_remove(&a->im->blobs, &a->row.id, IMAGES_SUFFIX, &err) < 0)
		log_warning("%s", err.msg);
}

static int do_row(void *ctx, struct err *err)
{
	struct alias *a = ctx;

	return images_commit_row(a->im, &a->row, true, err);
}

static const struct saga_step alias_steps[] = {
	{ "link", do_link, undo_link },
	{ "row", do_row, NULL },
};
static const struct saga alias_saga = SAGA("image.alias", alias_steps);

static int copy_row(const struct image_row *have, struct image_row *row, struct err *err)
{
	*row = *have;
	row->entrypoint = row->command = row->env = row->exposed_ports = row->layers = (strv){ 0 };
	if (strv_dup(&have->entrypoint, &row->entrypoint, err) < 0 ||
		strv_dup(&have->command, &row->command, err) < 0 ||
		strv_dup(&have->env, &row->env, err) < 0 ||
		strv_dup(&have->exposed_ports, &row->exposed_ports, err) < 0 ||
		strv_dup(&have->layers, &row->layers, err) < 0)
		return -1;
	row->id = vm_id_random();
	row->created_at = time(NULL);
	return 0;
}

int images_alias(struct images *im, uid_t owner, const struct image_row *have, const ref_name *name,
	const struct images_origin *origin, struct image_row *ret, struct err *err)
{
	struct alias a = { .im = im, .have = have };
	int r = copy_row(have, &a.row, err);

	a.row.owner = owner;
	a.row.name = *name;
	if (r == 0 && origin && !text_parse(origin->reference, &a.row.reference))
		r = err_set(err, ERR_operation_failed, "a reference is too long");
	if (r == 0)
		r = saga_run(&alias_saga, &a, -1, NULL, err);
	if (r < 0) {
		image_row_finish(&a.row);
		return -1;
	}
	log_info("image %s '%s' is %s, too", a.row.id.s, a.row.name.s, have->id.s);
	*ret = a.row;
	return 0;
}

int images_promote(struct images *im, const char *ref, const char *name, bool replace,
	struct image_row *ret, struct err *err)
{
	_cleanup_(image_row_finish) struct image_row have = { 0 };
	ref_name as;
	vm_id id;
	int found;

	if (images_find(im, 0, ref, &have, err) < 0)
		return -1;
	if (have.path.s[0])
		return err_set(err, ERR_bad_request,
			"image '%s' is a file of its owner's, %s: import one that is to be "
			"everybody's",
			have.name.s, have.path.s);
	if (have.owner == 0 && !name)
		return err_set(
			err, ERR_already_exists, "image '%s' is everybody's already", have.name.s);
	if (!ref_name_parse(name ? name : have.name.s, &as))
		return err_set(err, ERR_bad_request, "'%s' is no name for an image", name);
	found = store_owned_find(im->store, STORE_READ, STORE_IMAGE, 0, as.s, &id, err);
	if (found < 0)
		return -1;
	if (found > 0 && !replace)
		return err_set(err, ERR_already_exists,
			"root has an image '%s' already: choose another name, or replace it", as.s);
	return images_alias(im, 0, &have, &as, NULL, ret, err);
}
