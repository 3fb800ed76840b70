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

/* The digest of all that came. The hash can only be finished afterwards. */
int hash_digest(struct hash *h, digest *ret, struct err *err);
