/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/hash.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/fd.h"
#include "common/str.h"

#define PIECE (256U << 10)

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

int hash_file(struct hash *h, int fd, uint64_t size, const char *what, hash_each_fn *each,
	void *ctx, struct err *err)
{
	_cleanup_free_ uint8_t *buf = malloc(PIECE);

	if (!buf)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read %s", what);
	for (uint64_t at = 0; at < size;) {
		size_t want = size - at < PIECE ? (size_t)(size - at) : PIECE;
		ssize_t n = fd_pread_full(fd, buf, want, at);

		if (n < 0)
			return err_sys(err, ERR_bad_input, errno, "cannot read %s", what);
		if ((size_t)n != want)
			return err_set(err, ERR_bad_input, "%s became shorter", what);
		if (hash_update(h, buf, want, err) < 0 ||
			(each && each(ctx, buf, want, at, err) < 0))
			return -1;
		at += want;
	}
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
