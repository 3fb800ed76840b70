/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* banger's own nftables tables, as text: a function of the ledger alone, so that one atomic batch
 * makes them right whatever was there before. */
#include "banger-netd/config.h"
#include "banger-netd/ledger.h"

/*
 * The batch for the VMs of the ledger that have a network, without `except` (may be NULL). With no
 * VM left it takes the tables away. `uplinks`: interfaces, one a line, on which netd has switched
 * forwarding on; nothing but guests' traffic is forwarded from them. The caller frees *ret.
 */
int nft_text_build(const struct netd_config *c, const struct ledger *l, const vm_id *except,
	const char *uplinks, char **ret, struct err *err);

/* The same tables with one VM more or less, as a batch of elements: it costs the same with one VM
 * and with hundreds. `owner_too`: the elements of its owner go as well (the last VM of his). It
 * fails to apply when the tables are not there. The caller frees *ret. */
int nft_text_change(const struct netd_config *c, const struct ledger_row *row, bool add,
	bool owner_too, char **ret, struct err *err);
