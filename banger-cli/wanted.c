/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/wanted.h"

#include <json-c/json.h>

#include "banger-cli/object.h"
#include "common/str.h"

static const struct {
	enum rpc_method show, catalog;
	const char *name, *list;
} kinds[] = {
	[WANTED_image] = { RPC_METHOD_image_show, RPC_METHOD_image_catalog, "image", "images" },
	[WANTED_kernel] = { RPC_METHOD_kernel_show, RPC_METHOD_kernel_catalog, "kernel",
		"kernels" },
};

/* A daemon that knows of no catalogs has none. */
static bool catalog_has(struct client *c, enum wanted what, const char *name)
{
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	struct err ignored = ERR_INIT;
	struct json_object *list;

	if (client_call(c, kinds[what].catalog, NULL, &reply, &ignored) < 0)
		return false;
	list = object_array(reply.result, kinds[what].list);
	for (size_t i = 0; i < object_array_size(list); i++)
		if (str_eq(object_text(json_object_array_get_idx(list, i), "name"), name))
			return true;
	return false;
}

int wanted_is_here(struct client *c, enum wanted what, const char *ref, bool may_pull,
	struct err *ret_why, struct err *err)
{
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	struct err why = ERR_INIT;
	struct json_object *o;

	if (client_ask(c, kinds[what].show, kinds[what].name, ref, &reply, &why) < 0) {
		if (why.code != ERR_not_found) {
			*err = why;
			return -1;
		}
		*ret_why = why;
		return 0;
	}
	o = object_child(reply.result, kinds[what].name);
	if (!may_pull || str_eq(object_text(o, "name"), ref) || str_eq(object_text(o, "id"), ref) ||
		!catalog_has(c, what, ref))
		return 1;
	err_set(ret_why, ERR_not_found, "the %s '%s' of a catalog is not", kinds[what].name, ref);
	return 0;
}
