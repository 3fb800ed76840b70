/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* One nftables batch (libnftables). */
#include "common/err.h"

struct nft;

/* Before Landlock: the library reads its tables of names here. */
int nft_open(struct nft **ret, struct err *err);
void nft_close(struct nft *n); /* NULL is allowed */

/* Apply all of text, or nothing of it. */
int nft_apply(struct nft *n, const char *text, struct err *err);

/* The chains of IPv4 that all have made, as `nft list chains` prints them; valid until the next
 * call. */
int nft_list_chains(struct nft *n, const char **ret, struct err *err);
