/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Digests of the OCI image-spec (descriptor.md): sha256 and sha512, by libcrypto. */
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/types.h"

struct hash {
	void *md; /* EVP_MD_CTX */
	const char *algorithm;
};

/* Start one of the algorithm that `like` names (NULL: sha256). */
int hash_init(struct hash *h, const digest *like, struct err *err);
void hash_finish(struct hash *h); /* frees; once more is harmless */

int hash_update(struct hash *h, const void *p, size_t n, struct err *err);

/* Add bytes [0, size) of a file, `what` in errors; ERR_bad_input when it is shorter or cannot be
 * read. `each`, if not NULL, sees each piece, which begins at `at`, as it was read, once it is
 * hashed. */
typedef int hash_each_fn(void *ctx, const void *p, size_t n, uint64_t at, struct err *err);
int hash_file(struct hash *h, int fd, uint64_t size, const char *what, hash_each_fn *each,
	void *ctx, struct err *err);

/* The digest of all that came. The hash can only be finished afterwards. */
int hash_digest(struct hash *h, digest *ret, struct err *err);
