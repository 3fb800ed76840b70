/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* docker-credential-NAME, a program that keeps credentials: run with the user's rights, by the
 * user's PATH, without a shell. */
#include <stddef.h>

#include "common/err.h"

#define CREDENTIAL_ANSWER_MAX 65536

/* Ask it for `key`: 1 and its answer in `buf` (CREDENTIAL_ANSWER_MAX bytes; the caller wipes it), 0
 * when it says that it has none, or -1: it is not there, failed, said too much, or took more than
 * 30 s (it is killed then). */
int credential_helper_get(
	const char *name, const char *key, char *buf, size_t *ret_n, struct err *err);
