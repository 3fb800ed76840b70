/* SPDX-License-Identifier: GPL-2.0-or-later */
/* banger image import, register, pull, catalog, promote, cache, list, show, delete. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "banger-cli/bulk.h"
#include "banger-cli/import.h"
#include "banger-cli/lists.h"
#include "banger-cli/object.h"
#include "banger-cli/output.h"
#include "banger-cli/params.h"
#include "banger-cli/pull.h"
#include "banger-cli/text.h"
#include "common/json.h"
#include "common/str.h"

static const char *const titles[] = { "ID", "NAME", "OWNER", "DIGEST", "SIZE", "CREATED" };

/* "sha256:0123456789ab": enough of a digest to tell images apart. */
static void short_digest(struct table *t, const char *whole)
{
	char buf[20];

	snprintf(buf, sizeof(buf), "%s", whole ? whole : "");
	table_cell(t, buf);
}

static void row(struct table *t, struct json_object *o)
{
	char when[64];

	table_cell(t, object_text(o, "id"));
	table_cell(t, object_text(o, "name"));
	table_cell(t, object_text(o, "owner"));
	short_digest(t, object_text(o, "digest"));
	table_size(t, object_number(o, "size_bytes", -1));
	table_cell(t, output_time(o, "created_at", when));
}

int cmd_image_list(struct cli *cli, const struct args_image_list *args, struct err *err)
{
	static const struct listing l = { RPC_METHOD_image_list, "images", titles,
		ARRAY_SIZE(titles), row };

	return list_show(cli, &l, &args->list, err);
}

static void entry(struct table *t, struct json_object *o)
{
	table_cell(t, object_text(o, "name"));
	table_cell(t, object_text(o, "present"));
	table_cell(t, object_text(o, "reference"));
	table_cell(t, object_text(o, "description"));
}

int cmd_image_catalog(struct cli *cli, const struct args_image_catalog *args, struct err *err)
{
	static const char *const names[] = { "NAME", "HERE", "REFERENCE", "DESCRIPTION" };
	static const struct listing l = { RPC_METHOD_image_catalog, "images", names,
		ARRAY_SIZE(names), entry };

	return catalog_show(cli, &l, args->output.format, err);
}

int cmd_image_show(struct cli *cli, const struct args_image_show *args, struct err *err)
{
	return object_show(
		cli, RPC_METHOD_image_show, "image", args->image, args->output.format, err);
}

/* Registries speak of what they were asked for, not of the image. */
static int pull_failed(const char *reference, struct err *err)
{
	if (err->code == ERR_cancelled || err->code == ERR_bad_request ||
		err->code == ERR_already_exists)
		return -1;
	return err_wrap(err, "cannot pull %s", reference);
}

int cmd_image_pull(struct cli *cli, const struct args_image_pull *args, struct err *err)
{
	_cleanup_client_ struct client *client = NULL;
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	const struct pull_ask ask = { .reference = args->reference,
		.name = args->name,
		.platform = args->platform,
		.policy = args->policy == pull_not_given ? pull_policy_always
							 : (enum pull_policy)(args->policy - 1),
		.replace = args->replace,
		.quiet = args->quiet };
	struct json_object *image;
	bool pulled = false;

	if (cli_connect(cli, &client, err) < 0)
		return -1;
	if (pull_image(cli, client, &ask, &reply, err) < 0)
		return pull_failed(args->reference, err);
	image = object_child(reply.result, "image");
	(void)json_get_bool(reply.result, "pulled", &pulled);
	if (image && !args->quiet) {
		char size[32];

		cli_say("image %s: %s%s", object_text(image, "name"),
			text_size((unsigned long long)object_number(image, "size_bytes", 0), size),
			pulled ? "" : ", was here already");
	}
	return output_made(reply.result, "image", args->made.format, err);
}

int cmd_image_promote(struct cli *cli, const struct args_image_promote *args, struct err *err)
{
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	struct params p;

	params_init(&p);
	params_text(&p, "image", args->image);
	params_text(&p, "name", args->name);
	params_flag(&p, "replace", args->replace);
	if (cli_call(cli, RPC_METHOD_image_promote, &p, &reply, err) < 0)
		return -1;
	return output_made(reply.result, "image", args->made.format, err);
}

int cmd_image_cache(struct cli *cli, const struct args_image_cache *args, struct err *err)
{
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	char size[32], line[ERR_MSG_MAX];
	struct params p;

	params_init(&p);
	params_flag(&p, "dry_run", args->dry_run);
	if (cli_call(cli, RPC_METHOD_image_cache_prune, &p, &reply, err) < 0)
		return -1;
	if (args->output.format == format_json)
		return output_json(reply.result, err);
	str_format(line, sizeof(line), "%s %s across %lld blob(s) in %s",
		args->dry_run ? "would free" : "freed",
		text_size((unsigned long long)object_number(reply.result, "bytes_freed", 0), size),
		(long long)object_number(reply.result, "blobs_freed", 0),
		object_text(reply.result, "cache_dir"));
	return output_id(line, err);
}

int cmd_image_delete(struct cli *cli, const struct args_image_delete *args, struct err *err)
{
	struct bulk b = {
		.list = RPC_METHOD_image_list,
		.list_member = "images",
		.kind = "image",
		.method = RPC_METHOD_image_delete,
		.name = "image",
	};

	return bulk_run(cli, &b, &args->images, args->each.format, err);
}

int cmd_image_register(struct cli *cli, const struct args_image_register *args, struct err *err)
{
	_cleanup_offer_ struct offer offer = OFFER_INIT;
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	char path[PATH_MAX];
	struct params p;

	if (!realpath(args->file, path))
		return err_sys(err, errno == ENOENT ? ERR_not_found : ERR_operation_failed, errno,
			"cannot find %s", args->file);
	if (offer_file(path, &offer, err) < 0)
		return -1;
	params_init(&p);
	params_text(&p, "name", args->name);
	params_text(&p, "path", path);
	params_flag(&p, "replace", args->replace);
	if (import_run(cli, RPC_METHOD_image_register, &p, &offer, 1, args->quiet, &reply, err) < 0)
		return import_failed(path, err);
	return output_made(reply.result, "image", args->made.format, err);
}

/* Of directories only a layout is an image: for others there is a way. */
static int check_layout(const char *path, const struct offer *offer, struct err *err)
{
	char marker[PATH_MAX];

	if (!offer->source || !str_format(marker, sizeof(marker), "%s/oci-layout", path) ||
		access(marker, F_OK) == 0 || errno != ENOENT)
		return 0;
	return err_set(err, ERR_bad_request,
		"%s is no OCI image layout: it has no file 'oci-layout'. If it is a root file "
		"system: tar -C %s -c . | banger image import NAME - --type rootfs",
		path, path);
}

int cmd_image_import(struct cli *cli, const struct args_image_import *args, struct err *err)
{
	_cleanup_offer_ struct offer offer = OFFER_INIT;
	_cleanup_reply_ struct reply reply = REPLY_INIT;
	struct json_object *image;
	struct params p;

	if (offer_any(args->source, &offer, err) < 0 || check_layout(args->source, &offer, err) < 0)
		return -1;
	params_init(&p);
	params_text(&p, "name", args->name);
	if (args->kind != image_kind_auto)
		params_text(&p, "kind", image_kind_to_name(args->kind));
	params_text(&p, "reference", args->reference);
	params_flag(&p, "replace", args->replace);
	if (import_run(cli, RPC_METHOD_image_import, &p, &offer, 1, args->quiet, &reply, err) < 0)
		return import_failed(args->source, err);
	image = object_child(reply.result, "image");
	if (image && !args->quiet) {
		char size[32];

		cli_say("image %s: %s, %lld entries", args->name,
			text_size((unsigned long long)object_number(image, "size_bytes", 0), size),
			(long long)object_number(image, "entries", 0));
	}
	return output_made(reply.result, "image", args->made.format, err);
}
