/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A build tool: the digest of the files given, one behind the other, as guest_digest.h. */
#include <openssl/evp.h>
#include <stdio.h>

static int add_file(EVP_MD_CTX *ctx, const char *path)
{
	unsigned char buf[65536];
	FILE *f = fopen(path, "rb");
	size_t n;
	int bad;

	if (!f) {
		perror(path);
		return -1;
	}
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		if (EVP_DigestUpdate(ctx, buf, n) != 1)
			break;
	bad = ferror(f) || n > 0;
	fclose(f);
	return bad ? -1 : 0;
}

int main(int argc, char **argv)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
		return 1;
	for (int i = 1; i < argc; i++)
		if (add_file(ctx, argv[i]) < 0)
			return 1;
	if (EVP_DigestFinal_ex(ctx, md, &n) != 1)
		return 1;
	EVP_MD_CTX_free(ctx);
	printf("/* SPDX-License-Identifier: GPL-2.0-or-later */\n#pragma once\n"
	       "#define GUEST_DIGEST \"sha256:");
	for (unsigned i = 0; i < n; i++)
		printf("%02x", md[i]);
	printf("\"\n");
	return 0;
}
