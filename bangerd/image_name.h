/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What a user's name for an image means: by the catalogs, by registries.conf, or by itself. */
#include <stdbool.h>

#include "common/err.h"
#include "common/reference.h"

struct registries;
struct settings;

/* *ret_registries is the caller's to free; *ret_catalog: the name is a catalog's, and the reference
 * has the digest that this one has. */
int image_name_resolve(const struct settings *settings, const char *name,
	struct registries **ret_registries, struct reference *ret, bool *ret_catalog,
	struct err *err);
