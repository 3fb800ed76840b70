/* SPDX-License-Identifier: GPL-2.0-or-later */
/* image.import, register, pull, reference, cache.prune, promote, list, show and delete. */
#include "bangerd/call.h"
#include "bangerd/fetch_job.h"
#include "bangerd/image_name.h"
#include "bangerd/image_pull.h"
#include "bangerd/images.h"
#include "bangerd/registries.h"
#include "bangerd/reply.h"
#include "bangerd/store_owned.h"
#include "common/ipc.h"
#include "common/proto_fetch.h"
#include "common/settings.h"
#include "common/str.h"

/* The members of image.list. */
static void describe(struct reply *r, const struct image_row *row)
{
	reply_begin(r);
	reply_owned(r, row->id.s, row->name.s, row->owner);
	reply_string(r, "digest", row->digest.s);
	reply_int(r, "size_bytes", (int64_t)row->size);
	reply_int(r, "entries", (int64_t)row->entries);
	reply_string(r, "path", row->path.s[0] ? row->path.s : NULL);
	reply_time(r, "created_at", row->created_at);
}

static int answer(struct reply *image, struct json_object **ret_result, struct err *err)
{
	return reply_single("image", reply_take(image), ret_result, err);
}

int rpc_image_import(struct call *call, struct rpc_image_import_in *in,
	struct json_object **ret_result, struct err *err)
{
	_cleanup_(image_row_finish) struct image_row row = { 0 };
	struct reply image;

	if (images_import(call->services->images, call, in, NULL, &row, err) < 0)
		return -1;
	describe(&image, &row);
	return answer(&image, ret_result, err);
}

int rpc_image_register(struct call *call, struct rpc_image_register_in *in,
	struct json_object **ret_result, struct err *err)
{
	_cleanup_(image_row_finish) struct image_row row = { 0 };
	struct reply image;

	if (images_register(call->services->images, call, in, &row, err) < 0)
		return -1;
	describe(&image, &row);
	return answer(&image, ret_result, err);
}

static int list_one(void *ctx, struct image_row *row, struct err *err)
{
	struct reply image;

	describe(&image, row);
	reply_object(ctx, NULL, reply_take(&image));
	return 0;
}

int rpc_image_list(struct call *call, struct rpc_image_list_in *in, struct json_object **ret_result,
	struct err *err)
{
	struct reply list;

	reply_begin_array(&list);
	if (store_image_list(call->services->store, STORE_READ, call->uid, list_one, &list, err) <
		0) {
		reply_drop(&list);
		return -1;
	}
	return reply_single("images", reply_take(&list), ret_result, err);
}

static void add_layers(struct reply *image, const strv *layers)
{
	struct reply list, layer;
	const char *size;
	uint64_t n = 0;

	reply_begin_array(&list);
	for (const char *s = strv_next(layers, NULL); s; s = strv_next(layers, size)) {
		size = strv_next(layers, s);
		if (!size || !str_to_u64(size, 0, INT64_MAX, &n))
			break; /* images.c writes no such row */
		reply_begin(&layer);
		reply_string(&layer, "digest", s);
		reply_int(&layer, "size_bytes", (int64_t)n);
		reply_object(&list, NULL, reply_take(&layer));
	}
	reply_object(image, "layers", reply_take(&list));
}

int rpc_image_show(struct call *call, struct rpc_image_show_in *in, struct json_object **ret_result,
	struct err *err)
{
	_cleanup_(image_row_finish) struct image_row row = { 0 };
	char buf[4096];
	strv users;
	struct reply image;

	if (images_find(call->services->images, call->uid, in->image, &row, err) < 0 ||
		store_owned_users(call->services->store, STORE_READ, STORE_IMAGE, &row.id,
			call->uid, buf, sizeof(buf), &users, err) < 0)
		return -1;
	describe(&image, &row);
	reply_string(&image, "reference", row.reference.s);
	reply_strv(&image, "entrypoint", &row.entrypoint);
	reply_strv(&image, "command", &row.command);
	reply_strv(&image, "env", &row.env);
	reply_string(&image, "user", row.user.s);
	reply_string(&image, "directory", row.directory.s);
	reply_string(&image, "stop_signal", row.stop_signal.s);
	reply_strv(&image, "exposed_ports", &row.exposed_ports);
	reply_strv(&image, "used_by", &users);
	reply_string(&image, "config", row.config.s[0] ? row.config.s : NULL);
	add_layers(&image, &row.layers);
	return answer(&image, ret_result, err);
}

int rpc_image_pull(struct call *call, struct rpc_image_pull_in *in, struct json_object **ret_result,
	struct err *err)
{
	_cleanup_(image_row_finish) struct image_row row = { 0 };
	struct reply image, r;
	bool pulled;

	if (image_pull(call, in, &row, &pulled, err) < 0)
		return -1;
	describe(&image, &row);
	reply_begin(&r);
	reply_object(&r, "image", reply_take(&image));
	reply_bool(&r, "pulled", pulled);
	return reply_end(&r, ret_result, err);
}

int rpc_image_reference(struct call *call, struct rpc_image_reference_in *in,
	struct json_object **ret_result, struct err *err)
{
	struct registry_endpoint endpoints[REGISTRIES_ENDPOINTS];
	_cleanup_registries_ struct registries *registries = NULL;
	char canonical[REFERENCE_MAX + 1];
	struct reference reference;
	struct reply hosts, r;
	bool catalog;
	size_t n;

	if (image_name_resolve(call->services->settings, in->reference, &registries, &reference,
		    &catalog, err) < 0)
		return -1;
	n = registries_endpoints(registries, reference.registry, endpoints);
	reply_begin_array(&hosts);
	for (size_t i = 0; i < n; i++)
		reply_string(&hosts, NULL, endpoints[i].host);
	reply_begin(&r);
	reply_string(&r, "reference", reference_format(&reference, canonical));
	reply_object(&r, "hosts", reply_take(&hosts));
	return reply_end(&r, ret_result, err);
}

int rpc_image_cache_prune(struct call *call, struct rpc_image_cache_prune_in *in,
	struct json_object **ret_result, struct err *err)
{
	const struct fetch_cache_prune_in ask = { .dry_run = in->dry_run };
	struct fetch_cache_prune_out freed;
	struct ipc *fetcher = NULL;
	char dir[300];
	struct reply r;
	int failed;

	if (fetch_job_begin(call, &fetcher, err) < 0)
		return -1;
	failed = fetch_cache_prune(fetcher, &ask, &freed, err);
	ipc_close(fetcher);
	if (failed < 0)
		return -1;
	str_format(dir, sizeof(dir), "%s/cache/%u", call->services->settings->paths_state_dir.s,
		(unsigned)call->uid);
	reply_begin(&r);
	reply_int(&r, "bytes_freed", (int64_t)freed.bytes);
	reply_int(&r, "blobs_freed", (int64_t)freed.blobs);
	reply_bool(&r, "dry_run", in->dry_run);
	reply_string(&r, "cache_dir", dir);
	return reply_end(&r, ret_result, err);
}

int rpc_image_promote(struct call *call, struct rpc_image_promote_in *in,
	struct json_object **ret_result, struct err *err)
{
	_cleanup_(image_row_finish) struct image_row row = { 0 };
	struct reply image;

	if (images_promote(call->services->images, in->image, in->name, in->replace, &row, err) < 0)
		return -1;
	describe(&image, &row);
	return answer(&image, ret_result, err);
}

int rpc_image_delete(struct call *call, struct rpc_image_delete_in *in,
	struct json_object **ret_result, struct err *err)
{
	return images_delete(call->services->images, call, in->image, err);
}
