/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What a file of credentials says of a registry: containers-auth.json(5), and docker's config.json,
 * which is nearly the same. It is the user's own, and still read as if it were not.
 */
#include <stddef.h>

#include "common/err.h"

#define AUTH_FILE_MAX	(1024 * 1024)
#define AUTH_SECRET_MAX 16384
#define AUTH_USER_MAX	511

/* Wiped by credentials_finish(). Zeroed: none. */
struct credentials {
	char user[AUTH_USER_MAX + 1];
	char secret[AUTH_SECRET_MAX + 1]; /* a password */
	char token[AUTH_SECRET_MAX + 1];  /* an identity token, in its place */
};
void credentials_finish(struct credentials *c);

/* What there is for one registry. */
struct auth_entry {
	struct credentials credentials;
	char helper[64]; /* docker-credential-NAME is to be asked instead; "": no */
	char key[512];	 /* for what */
};

/*
 * Look for `host` (host[:port]) and the repository `path` in it ("" for none in particular) in a
 * file's text: the entry with the longest path that fits, a helper for the host before it, a helper
 * for all hosts after it. 1, 0 when there is nothing, or -1 for text that is no such file.
 */
int auth_file_find(const char *s, size_t len, const char *host, const char *path,
	struct auth_entry *ret, struct err *err);

/* The answer of a credential helper; 0 or -1. */
int auth_helper_answer(const char *s, size_t len, struct credentials *ret, struct err *err);
