/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/image_name.h"

#include "bangerd/catalog.h"
#include "bangerd/registries.h"
#include "common/settings.h"
#include "common/str.h"

/* As catalog_find(). */
static int find(
	const struct settings *settings, const char *name, struct reference *ret, struct err *err)
{
	_cleanup_catalog_ struct catalog *c = NULL;
	const struct catalog_entry *e;
	int r;

	if (!catalog_is_name(name))
		return 0;
	if (catalog_load(settings->paths_catalog_dir.s, settings->paths_vendor_catalog_dir.s, &c,
		    err) < 0)
		return -1;
	r = catalog_find(c, CATALOG_image, name, &e, err);
	if (r <= 0)
		return r;
	return reference_parse(e->reference.s, ret, err) < 0 ? -1 : 1;
}

int image_name_resolve(const struct settings *settings, const char *name,
	struct registries **ret_registries, struct reference *ret, bool *ret_catalog,
	struct err *err)
{
	_cleanup_registries_ struct registries *registries = NULL;
	struct reference reference;
	int found;

	if (registries_load(settings->image_registries.s, &registries, err) < 0)
		return -1;
	found = find(settings, name, &reference, err);
	if (found < 0 || (found == 0 && registries_resolve(registries, name, &reference, err) < 0))
		return -1;
	*ret = reference;
	*ret_catalog = found > 0;
	*ret_registries = TAKE_PTR(registries);
	return 0;
}
