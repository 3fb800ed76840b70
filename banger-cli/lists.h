/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What list and show commands of every group have in common. */
#include "banger-cli/cli.h"
#include "banger-cli/client.h"
#include "banger-cli/table.h"

struct listing {
	enum rpc_method method;
	const char *member; /* of the result: the list */
	const char *const *titles;
	size_t n_titles;
	void (*row)(struct table *t, struct json_object *o); /* n_titles cells */
};

int list_show(
	struct cli *cli, const struct listing *l, const struct args_list *args, struct err *err);

/* The same of image.catalog and kernel.catalog; what is wrong with catalogs goes to standard error.
 */
int catalog_show(struct cli *cli, const struct listing *l, enum format format, struct err *err);

/* Ask `method` about `reference` (its parameter `name`) and print the result's member `name`. */
int object_show(struct cli *cli, enum rpc_method method, const char *name, const char *reference,
	enum format format, struct err *err);
