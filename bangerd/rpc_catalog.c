/* SPDX-License-Identifier: GPL-2.0-or-later */
/* image.catalog and kernel.catalog. */
#include "bangerd/call.h"
#include "bangerd/catalog.h"
#include "bangerd/images.h"
#include "bangerd/kernel_pull.h"
#include "bangerd/reply.h"
#include "common/settings.h"
#include "common/str.h"

/* The id of the caller's own that is here of an entry, or "". */
static int present_image(
	const struct call *call, const struct catalog_entry *e, vm_id *ret, struct err *err)
{
	_cleanup_(image_row_finish) struct image_row row = { 0 };
	int r = images_find_reference(
		call->services->images, call->uid, "", e->reference.s, &row, err);

	*ret = row.id;
	return r < 0 ? -1 : 0;
}

static int present_kernel(
	const struct call *call, const struct catalog_entry *e, vm_id *ret, struct err *err)
{
	struct kernel_row row = { 0 };
	int r = kernel_pull_find(call, &e->digest, NULL, &row, err);

	*ret = row.id;
	return r < 0 ? -1 : 0;
}

static void describe(struct reply *r, const struct catalog_entry *e, const vm_id *present)
{
	reply_begin(r);
	reply_string(r, "name", e->name);
	reply_string(r, "description", e->description.s);
	reply_string(r, "digest", e->digest.s);
	if (e->kind == CATALOG_image) {
		reply_string(r, "reference", e->reference.s);
	} else {
		reply_string(r, "url", e->url.s);
		reply_int(r, "size_bytes", (int64_t)e->size);
		reply_bool(r, "preferred", e->preferred);
	}
	reply_string(r, "file", e->file);
	reply_string(r, "present", present->s[0] ? present->s : NULL);
}

static int list(const struct call *call, const struct catalog *c, enum catalog_kind kind,
	struct reply *list, struct err *err)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct catalog_entry *e = &c->entries[i];
		struct reply one;
		vm_id present = { "" };

		if (e->kind != kind)
			continue;
		if (kind == CATALOG_image ? present_image(call, e, &present, err) < 0
					  : present_kernel(call, e, &present, err) < 0)
			return -1;
		describe(&one, e, &present);
		reply_object(list, NULL, reply_take(&one));
	}
	return 0;
}

static int answer(const struct call *call, enum catalog_kind kind, const char *member,
	struct json_object **ret_result, struct err *err)
{
	const struct settings *s = call->services->settings;
	_cleanup_catalog_ struct catalog *c = NULL;
	struct reply entries, problems, r;

	if (catalog_load(s->paths_catalog_dir.s, s->paths_vendor_catalog_dir.s, &c, err) < 0)
		return -1;
	reply_begin_array(&entries);
	if (list(call, c, kind, &entries, err) < 0) {
		reply_drop(&entries);
		return -1;
	}
	reply_begin_array(&problems);
	for (size_t i = 0; i < c->n_problems; i++)
		reply_string(&problems, NULL, c->problems[i].s);
	reply_begin(&r);
	reply_object(&r, member, reply_take(&entries));
	reply_object(&r, "problems", reply_take(&problems));
	return reply_end(&r, ret_result, err);
}

int rpc_image_catalog(struct call *call, struct rpc_image_catalog_in *in,
	struct json_object **ret_result, struct err *err)
{
	return answer(call, CATALOG_image, "images", ret_result, err);
}

int rpc_kernel_catalog(struct call *call, struct rpc_kernel_catalog_in *in,
	struct json_object **ret_result, struct err *err)
{
	return answer(call, CATALOG_kernel, "kernels", ret_result, err);
}
