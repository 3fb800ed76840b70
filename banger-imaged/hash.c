/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "common/str.h"

int hash_init(struct hash *h, const digest *like, struct err *err)
{
	bool sha512 = like && str_starts(like->s, "sha512:");
	EVP_MD_CTX *md;

	/* Left alone it opens a configuration file by its path, which a worker cannot. */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	md = EVP_MD_CTX_new();
	if (!md || EVP_DigestInit_ex(md, sha512 ? EVP_sha512() : EVP_sha256(), NULL) != 1) {
		EVP_MD_CTX_free(md);
		return err_set(err, ERR_operation_failed, "cannot start a digest");
	}
	h->md = md;
	h->algorithm = sha512 ? "sha512" : "sha256";
	return 0;
}

void hash_finish(struct hash *h)
{
	EVP_MD_CTX_free(h->md);
	h->md = NULL;
}

int hash_update(struct hash *h, const void *p, size_t n, struct err *err)
{
	if (EVP_DigestUpdate(h->md, p, n) != 1)
		return err_set(err, ERR_operation_failed, "cannot compute a digest");
	return 0;
}

int hash_digest(struct hash *h, digest *ret, struct err *err)
{
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	digest d = { 0 };
	size_t at;

	if (EVP_DigestFinal_ex(h->md, raw, &n) != 1)
		return err_set(err, ERR_operation_failed, "cannot compute a digest");
	at = (size_t)snprintf(d.s, sizeof(d.s), "%s:", h->algorithm);
	for (unsigned i = 0; i < n; i++)
		snprintf(
			d.s + at + 2 * (size_t)i, sizeof(d.s) - at - 2 * (size_t)i, "%02x", raw[i]);
	*ret = d;
	return 0;
}
