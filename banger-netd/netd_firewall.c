/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The firewall follows the ledger: as a whole when netd starts, and by elements while it stands as
 * netd left it, so that a VM's share of the work does not grow with the number of VMs. When a
 * change does not apply (somebody flushed the rules), all of it is made anew.
 */
#include <stdlib.h>
#include <string.h>

#include "banger-netd/forward_drop.h"
#include "banger-netd/forwarding.h"
#include "banger-netd/netd.h"
#include "banger-netd/nft_text.h"
#include "common/str.h"

static void forget(struct netd *n)
{
	free(n->rules_uplinks);
	n->rules_uplinks = NULL;
}

/* Without a VM there are no tables. */
static bool any_vm(const struct netd *n, const vm_id *except)
{
	const struct ledger_row *row;

	for (size_t i = 0; (row = ledger_at(n->ledger, i)); i++)
		if (ledger_row_has_network(row) && !(except && str_eq(row->vm.s, except->s)))
			return true;
	return false;
}

int netd_firewall(struct netd *n, const vm_id *except, struct err *err)
{
	_cleanup_free_ char *uplinks = NULL, *rules = NULL;

	forget(n);
	if (forwarding_uplinks(n->ledger, &uplinks, err) < 0 ||
		nft_text_build(&n->config, n->ledger, except, uplinks, &rules, err) < 0 ||
		nft_apply(n->nft, rules, err) < 0)
		return -1;
	if (any_vm(n, except))
		n->rules_uplinks = TAKE_PTR(uplinks);
	return 0;
}

/* True when elements will do: done. */
static bool change(struct netd *n, const struct ledger_row *row, bool add, bool owner_too)
{
	_cleanup_free_ char *uplinks = NULL, *changes = NULL;
	struct err why = ERR_INIT;

	return n->rules_uplinks && forwarding_uplinks(n->ledger, &uplinks, &why) == 0 &&
	       str_eq(uplinks, n->rules_uplinks) &&
	       nft_text_change(&n->config, row, add, owner_too, &changes, &why) == 0 &&
	       nft_apply(n->nft, changes, &why) == 0;
}

int netd_firewall_add(struct netd *n, const struct ledger_row *row, struct err *err)
{
	return change(n, row, true, true) ? 0 : netd_firewall(n, NULL, err);
}

int netd_firewall_remove(
	struct netd *n, const struct ledger_row *row, bool owner_too, struct err *err)
{
	return change(n, row, false, owner_too) ? 0 : netd_firewall(n, &row->vm, err);
}

void netd_firewall_close(struct netd *n)
{
	forget(n);
}

int on_forward_status(struct netd *n, struct netd_forward_status_in *in,
	struct netd_forward_status_out *out, struct err *err)
{
	const char *chains;

	if (nft_list_chains(n->nft, &chains, err) < 0)
		return -1;
	out->dropped = forward_drop_find(chains, out->by.s, sizeof(out->by.s));
	return 0;
}
