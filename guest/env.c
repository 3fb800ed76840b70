/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/env.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/str.h"

void env_clear(struct env *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->v[i]);
	free(e->v);
	*e = (struct env){ 0 };
}

/* Where a name of n bytes stands; e->n when it does not. */
static size_t find(const struct env *e, const char *name, size_t n)
{
	size_t i = 0;

	while (i < e->n && (strncmp(e->v[i], name, n) != 0 || e->v[i][n] != '='))
		i++;
	return i;
}

const char *env_get(const struct env *e, const char *name)
{
	size_t n = strlen(name), i = find(e, name, n);

	return i < e->n ? e->v[i] + n + 1 : NULL;
}

/* Put an entry whose name has n bytes; it becomes the environment's. */
static int put(struct env *e, char *entry, size_t n, struct err *err)
{
	size_t i = find(e, entry, n);

	if (i < e->n) {
		free(e->v[i]);
		e->v[i] = entry;
		return 0;
	}
	if (e->n + 1 >= e->cap) {
		size_t cap = e->cap ? 2 * e->cap : 32;
		char **v = reallocarray(e->v, cap, sizeof(v[0]));

		if (!v) {
			free(entry);
			return err_sys(err, ERR_operation_failed, ENOMEM, "no environment");
		}
		e->v = v;
		e->cap = cap;
	}
	e->v[e->n++] = entry;
	e->v[e->n] = NULL;
	return 0;
}

int env_set(struct env *e, const char *name, const char *value, struct err *err)
{
	size_t n = strlen(name), m = strlen(value);
	char *entry = malloc(n + m + 2);

	if (!entry)
		return err_sys(err, ERR_operation_failed, ENOMEM, "no environment");
	memcpy(entry, name, n);
	entry[n] = '=';
	memcpy(entry + n + 1, value, m + 1);
	return put(e, entry, n, err);
}

int env_add(struct env *e, const strv *v, struct err *err)
{
	for (const char *s = strv_next(v, NULL); s; s = strv_next(v, s)) {
		const char *equals = strchr(s, '=');
		char *entry;

		if (!equals || equals == s)
			continue;
		entry = strdup(s);
		if (!entry)
			return err_sys(err, ERR_operation_failed, ENOMEM, "no environment");
		if (put(e, entry, (size_t)(equals - s), err) < 0)
			return -1;
	}
	return 0;
}
