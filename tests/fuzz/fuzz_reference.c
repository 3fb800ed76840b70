/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is taken as a reference is a text, has a registry and a path, and prints as what it is. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/reference.h"
#include "common/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check(const char *s)
{
	char whole[REFERENCE_MAX + 1];
	struct reference r, again;
	struct err err = ERR_INIT;
	text t;

	if (reference_parse(s, &r, &err) < 0) {
		require(err.code == ERR_bad_request && str_printable(err.msg, true));
		return;
	}
	require(reference_is_registry(r.registry) && r.path[0] && (r.tag[0] || r.digest.s[0]));
	require(!strstr(r.path, "..") && !strstr(r.path, "//") && r.path[0] != '/');
	reference_format(&r, whole);
	require(whole[0] && text_parse(whole, &t));
	require(reference_parse(whole, &again, &err) == 0 && again.qualified);
	again.qualified = r.qualified;
	require(memcmp(&again, &r, sizeof(r)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s = malloc(size + 1);

	if (!s)
		return 0;
	memcpy(s, data, size);
	s[size] = '\0';
	check(s);
	free(s);
	return 0;
}
