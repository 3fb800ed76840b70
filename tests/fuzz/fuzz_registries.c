/* SPDX-License-Identifier: GPL-2.0-or-later */
/* registries.conf: what it takes can be asked, and gives whole references and hosts. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bangerd/registries.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct registries *r, const char *reference)
{
	struct registry_endpoint e[REGISTRIES_ENDPOINTS];
	struct reference ref, again;
	char whole[REFERENCE_MAX + 1];
	struct err err = ERR_INIT;
	size_t n;

	if (registries_resolve(r, reference, &ref, &err) < 0 ||
		reference_parse(reference_format(&ref, whole), &again, &err) < 0)
		abort();
	n = registries_endpoints(r, ref.registry, e);
	if (n < 1 || n > REGISTRIES_ENDPOINTS || strcmp(e[n - 1].host, ref.registry) != 0)
		abort();
	for (size_t i = 0; i < n; i++)
		if (!reference_is_registry(e[i].host))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct registries *r = NULL;
	struct err err = ERR_INIT;
	char *content;

	if (size > 65536)
		return 0;
	content = calloc(1, size + 1);
	if (!content)
		return 0;
	memcpy(content, data, size);
	if (registries_parse("fuzz", content, &r, &err) == 0) {
		ask(r, "debian");
		ask(r, "team/tool:2");
		ask(r, "r.io/team/tool");
	}
	registries_free(r);
	free(content);
	return 0;
}
