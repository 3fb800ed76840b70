/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/nft.h"

#include <errno.h>
#include <nftables/libnftables.h>
#include <stdlib.h>
#include <string.h>

#include "common/str.h"

struct nft {
	struct nft_ctx *ctx;
};

int nft_open(struct nft **ret, struct err *err)
{
	struct nft *n = calloc(1, sizeof(*n));

	if (n)
		n->ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!n || !n->ctx || nft_ctx_buffer_output(n->ctx) || nft_ctx_buffer_error(n->ctx)) {
		nft_close(n);
		return err_set(err, ERR_operation_failed, "cannot open nftables");
	}
	/* Numbers stay numbers: no names are looked up. */
	nft_ctx_output_set_flags(n->ctx, NFT_CTX_OUTPUT_NUMERIC_ALL);
	*ret = n;
	return 0;
}

void nft_close(struct nft *n)
{
	if (n && n->ctx)
		nft_ctx_free(n->ctx);
	free(n);
}

/* The first line of what went wrong. */
static const char *reason(struct nft *n, char *dst, size_t cap)
{
	const char *s = nft_ctx_get_error_buffer(n->ctx);

	s = s && *s ? s : "no reason given";
	str_format(dst, cap, "%.*s",
		(int)strnlen(s, strcspn(s, "\n") < 190 ? strcspn(s, "\n") : 190), s);
	str_sanitize(dst);
	return dst;
}

int nft_apply(struct nft *n, const char *text, struct err *err)
{
	char first[200];

	if (nft_run_cmd_from_buffer(n->ctx, text) == 0)
		return 0;
	return err_set(err, ERR_operation_failed,
		"cannot change the firewall (is the kernel module 'nf_tables' there?): %s",
		reason(n, first, sizeof(first)));
}

int nft_list_chains(struct nft *n, const char **ret, struct err *err)
{
	char first[200];

	if (nft_run_cmd_from_buffer(n->ctx, "list chains ip") != 0)
		return err_set(err, ERR_operation_failed, "cannot list the firewall's chains: %s",
			reason(n, first, sizeof(first)));
	*ret = nft_ctx_get_output_buffer(n->ctx);
	return 0;
}
