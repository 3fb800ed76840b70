/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/pull_kernel.h"

#include <json-c/json.h>

#include "banger-cli/import.h"
#include "banger-cli/object.h"
#include "banger-cli/params.h"
#include "banger-cli/wanted.h"
#include "common/json.h"
#include "common/str.h"

/* 1: it is here, or at least one is; 0: not, and *ret_why says so. */
static int is_here(
	struct client *c, const char *kernel, bool may_pull, struct err *ret_why, struct err *err)
{
	_cleanup_reply_ struct reply reply = REPLY_INIT;

	if (kernel)
		return wanted_is_here(c, WANTED_kernel, kernel, may_pull, ret_why, err);
	if (client_call(c, RPC_METHOD_kernel_list, NULL, &reply, err) < 0)
		return -1;
	if (object_array_size(object_array(reply.result, "kernels")) > 0)
		return 1;
	err_set(ret_why, ERR_not_found, "there is no kernel yet");
	return 0;
}

/* Of kernel.catalog: by its name, or the preferred one. */
static struct json_object *find(struct json_object *list, const char *kernel)
{
	for (size_t i = 0; i < object_array_size(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		bool preferred = false;

		(void)json_get_bool(o, "preferred", &preferred);
		if (kernel ? str_eq(object_text(o, "name"), kernel) : preferred)
			return o;
	}
	return NULL;
}

int pull_kernel_would(
	struct client *c, const char *kernel, bool may_pull, char *ret, size_t cap, struct err *err)
{
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	struct err missing = ERR_INIT;
	struct json_object *entry;
	int r = is_here(c, kernel, may_pull, &missing, err);

	if (r < 0)
		return -1;
	if (r > 0) {
		ret[0] = '\0';
		return 0;
	}
	if (!may_pull) {
		*err = missing;
		return -1;
	}
	if (client_call(c, RPC_METHOD_kernel_catalog, NULL, &reply, err) < 0)
		return -1;
	entry = find(object_array(reply.result, "kernels"), kernel);
	if (!entry)
		return err_set(err, ERR_not_found,
			"%s here, and no catalog has one to pull: import one (banger kernel "
			"import)",
			missing.msg);
	if (!str_format(ret, cap, "would pull kernel %s from %s", object_text(entry, "name"),
		    object_text(entry, "url")))
		return err_set(err, ERR_protocol, "the daemon's answer is too long");
	return 0;
}

int pull_kernel_for_vm(struct cli *cli, struct client *c, const char *kernel, bool may_pull,
	bool quiet, char *ret, size_t cap, struct err *err)
{
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	struct err missing = ERR_INIT;
	struct params p;
	const char *id;
	int r = is_here(c, kernel, may_pull, &missing, err);

	*ret = '\0';
	if (r != 0)
		return r < 0 ? -1 : 0;
	if (!may_pull) {
		*err = missing;
		return -1;
	}
	params_init(&p);
	params_text(&p, "kernel", kernel);
	if (import_run(cli, RPC_METHOD_kernel_pull, &p, NULL, 0, quiet, &reply, err) < 0)
		return err->code == ERR_cancelled
			       ? -1
			       : err_wrap(err, "%s here, and it cannot be pulled", missing.msg);
	id = object_text(object_child(reply.result, "kernel"), "id");
	if (!id || !str_copy(ret, cap, id))
		return err_set(err, ERR_protocol, "the daemon answered without a kernel");
	return 0;
}
