/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A catalog's file: what it takes is complete, bounded, pinned, and found by its name. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bangerd/catalog.h"
#include "common/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct catalog *c, const struct catalog_entry *e)
{
	const struct catalog_entry *found;
	struct reference r;
	struct err err = ERR_INIT;
	digest d;

	if (!catalog_is_name(e->name) || !digest_parse(e->digest.s, &d) || e->line == 0 ||
		catalog_find(c, e->kind, e->name, &found, &err) != 1 || found != e)
		abort();
	if (e->kind == CATALOG_image &&
		(reference_parse(e->reference.s, &r, &err) < 0 || !r.qualified ||
			strcmp(r.digest.s, e->digest.s) != 0))
		abort();
	if (e->kind == CATALOG_kernel &&
		(strncmp(e->url.s, "https://", 8) != 0 || strchr(e->url.s, '#') || e->size == 0 ||
			e->size > CATALOG_BYTES_MAX))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct catalog *c = calloc(1, sizeof(*c));
	char *content = size > 65536 ? NULL : calloc(1, size + 1);
	struct err err = ERR_INIT;

	if (c && content) {
		memcpy(content, data, size);
		if (catalog_parse(c, "fuzz", "fuzz.conf", false, content, &err) < 0 && c->n > 0)
			abort();
		for (size_t i = 0; i < c->n; i++)
			check(c, &c->entries[i]);
	}
	free(content);
	catalog_free(c);
	return 0;
}
