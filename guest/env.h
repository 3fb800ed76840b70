/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "common/types.h"

/* An environment under construction: no name twice, what is set later wins. */
struct env {
	char **v; /* NULL-terminated once anything was set */
	size_t n, cap;
};

void env_clear(struct env *e);
#define _cleanup_env_ __attribute__((cleanup(env_clear)))

/* The value of a name, or NULL; the environment's. */
const char *env_get(const struct env *e, const char *name);

/* Set NAME=VALUE. */
int env_set(struct env *e, const char *name, const char *value, struct err *err);

/* Set each "NAME=VALUE" of a strv. Entries without a name or "=" say nothing and are skipped, as
 * container engines do. */
int env_add(struct env *e, const strv *v, struct err *err);
