/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kernel.import, pull, list, show and delete. */
#include "bangerd/call.h"
#include "bangerd/kernel_pull.h"
#include "bangerd/kernels.h"
#include "bangerd/reply.h"
#include "bangerd/store_owned.h"
#include "common/str.h"

/* The members of kernel.list. */
static void describe(struct reply *r, const struct kernel_row *row)
{
	reply_begin(r);
	reply_owned(r, row->id.s, row->name.s, row->owner);
	reply_string(r, "version", row->version.s);
	reply_string(r, "arch", row->arch.s);
	reply_int(r, "size_bytes", (int64_t)row->size);
	reply_string(r, "digest", row->digest.s[0] ? row->digest.s : NULL);
	reply_time(r, "created_at", row->created_at);
}

static int answer(struct reply *kernel, struct json_object **ret_result, struct err *err)
{
	return reply_single("kernel", reply_take(kernel), ret_result, err);
}

int rpc_kernel_import(struct call *call, struct rpc_kernel_import_in *in,
	struct json_object **ret_result, struct err *err)
{
	struct kernel_row row;
	struct reply kernel;

	if (kernels_import(call->services->kernels, call, in, NULL, &row, err) < 0)
		return -1;
	describe(&kernel, &row);
	return answer(&kernel, ret_result, err);
}

int rpc_kernel_pull(struct call *call, struct rpc_kernel_pull_in *in,
	struct json_object **ret_result, struct err *err)
{
	struct kernel_row row;
	struct reply kernel, r;
	bool pulled;

	if (kernel_pull(call, in, &row, &pulled, err) < 0)
		return -1;
	describe(&kernel, &row);
	reply_begin(&r);
	reply_object(&r, "kernel", reply_take(&kernel));
	reply_bool(&r, "pulled", pulled);
	return reply_end(&r, ret_result, err);
}

static int list_one(void *ctx, const struct kernel_row *row, struct err *err)
{
	struct reply kernel;

	describe(&kernel, row);
	reply_object(ctx, NULL, reply_take(&kernel));
	return 0;
}

int rpc_kernel_list(struct call *call, struct rpc_kernel_list_in *in,
	struct json_object **ret_result, struct err *err)
{
	struct reply list;

	reply_begin_array(&list);
	if (store_kernel_list(call->services->store, STORE_READ, call->uid, list_one, &list, err) <
		0) {
		reply_drop(&list);
		return -1;
	}
	return reply_single("kernels", reply_take(&list), ret_result, err);
}

int rpc_kernel_show(struct call *call, struct rpc_kernel_show_in *in,
	struct json_object **ret_result, struct err *err)
{
	struct kernel_row row;
	char buf[4096];
	strv users;
	struct reply kernel;

	if (kernels_find(call->services->kernels, call->uid, in->kernel, &row, err) < 0 ||
		store_owned_users(call->services->store, STORE_READ, STORE_KERNEL, &row.id,
			call->uid, buf, sizeof(buf), &users, err) < 0)
		return -1;
	describe(&kernel, &row);
	reply_int(&kernel, "modules", row.n_modules);
	reply_strv(&kernel, "used_by", &users);
	return answer(&kernel, ret_result, err);
}

int rpc_kernel_delete(struct call *call, struct rpc_kernel_delete_in *in,
	struct json_object **ret_result, struct err *err)
{
	return kernels_delete(call->services->kernels, call, in->kernel, err);
}
