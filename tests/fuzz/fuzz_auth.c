/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a registry asks for (WWW-Authenticate), and what a token service answers: the first byte
 * says which. What is taken must be fit to be sent on. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "banger-imaged/fetch_auth.h"
#include "banger-imaged/fetch_challenge.h"
#include "common/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void as_challenge(const char *s)
{
	struct challenge c = { 0 };
	struct err err = ERR_INIT;

	if (challenge_parse(s, &c, &err) < 0) {
		require(err.code == ERR_bad_input && !c.basic && !c.bearer && !c.realm[0]);
		return;
	}
	require(c.bearer || (!c.realm[0] && !c.service[0] && !c.scope[0]));
	require(!strpbrk(c.realm, "\r\n") && !strpbrk(c.service, "\r\n"));
	if (challenge_scope_is_pull(c.scope))
		require(!strpbrk(c.scope, " ,\"\r\n\\"));
}

static void as_token(const char *s, size_t n)
{
	struct err err = ERR_INIT;
	char *token = NULL;

	if (auth_parse_token(s, n, &token, &err) < 0) {
		require(err.code == ERR_bad_input && !token);
		return;
	}
	require(token[0] && str_printable(token, false) && !strchr(token, ' '));
	http_wipe(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s;

	if (size == 0)
		return 0;
	s = malloc(size);
	if (!s)
		return 0;
	memcpy(s, data + 1, size - 1);
	s[size - 1] = '\0';
	if (data[0] == 't')
		as_token(s, size - 1);
	else
		as_challenge(s);
	free(s);
	return 0;
}
