/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What a registry asks for: the field WWW-Authenticate (RFC 9110, section 11.6.1; its Bearer form:
 * distribution's "Token Authentication Specification"). */
#include <stdbool.h>

#include "common/err.h"

#define CHALLENGE_TEXT_MAX 2047

struct challenge {
	bool basic, bearer; /* which of the two were offered */
	/* Of the first Bearer; "" when it was not said. */
	char realm[CHALLENGE_TEXT_MAX + 1];
	char service[CHALLENGE_TEXT_MAX + 1];
	char scope[CHALLENGE_TEXT_MAX + 1];
};

/* All values of the field, joined by commas. Fails with bad_input when they are no list of
 * challenges, or a parameter stands twice in one: whoever means well does not write that. Schemes
 * other than the two are passed over. */
int challenge_parse(const char *s, struct challenge *ret, struct err *err);

/* Whether a scope is `repository:NAME:pull` and nothing more. */
bool challenge_scope_is_pull(const char *scope);
