/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file of credentials, and a helper's answer: what comes out fits, and ends. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "banger-cli/auth_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_end(const char *s, size_t cap)
{
	if (!memchr(s, '\0', cap))
		abort();
}

static void check(const struct credentials *c)
{
	must_end(c->user, sizeof(c->user));
	must_end(c->secret, sizeof(c->secret));
	must_end(c->token, sizeof(c->token));
	if (c->token[0] && c->secret[0])
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const hosts[] = { "r.io", "docker.io", "localhost:5000" };
	struct credentials c = { 0 };
	struct err err = ERR_INIT;

	if (size > AUTH_FILE_MAX)
		return 0;
	for (size_t i = 0; i < 3; i++) {
		struct auth_entry e;
		int r = auth_file_find((const char *)data, size, hosts[i], "team/x", &e, &err);

		check(&e.credentials);
		must_end(e.helper, sizeof(e.helper));
		if (r != 1 && (e.credentials.user[0] || e.credentials.token[0] || e.helper[0]))
			abort();
	}
	if (auth_helper_answer((const char *)data, size, &c, &err) == 0)
		check(&c);
	return 0;
}
