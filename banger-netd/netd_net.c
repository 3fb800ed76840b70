/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "banger-netd/forwarding.h"
#include "banger-netd/names.h"
#include "banger-netd/netd.h"
#include "banger-netd/sysctl.h"
#include "banger-netd/tap.h"
#include "common/failpoint.h"
#include "common/fd.h"
#include "common/str.h"

/* How many rows with a network, and with NAT, there are beside `except`; owner's, or all's. */
struct census {
	size_t vms, nat, owner_vms, owner_nat;
};

static struct census count_rows(const struct netd *n, uid_t owner, const vm_id *except)
{
	const struct ledger_row *row;
	struct census c = { 0 };

	for (size_t i = 0; (row = ledger_at(n->ledger, i)); i++) {
		if (!ledger_row_has_network(row) || (except && str_eq(row->vm.s, except->s)))
			continue;
		c.vms++;
		c.nat += row->nat;
		c.owner_vms += row->owner == owner;
		c.owner_nat += row->owner == owner && row->nat;
	}
	return c;
}

/* Two VMs of one address or MAC, two owners of one subnet, two subnets of one owner: bangerd, who
 * keeps the addresses, does not ask for that. */
static int check_address(const struct netd *n, const struct ledger_row *row, struct err *err)
{
	const struct ledger_row *other;

	if (row->subnet >= name_subnets(&n->config))
		return err_set(err, ERR_protocol, "VM %s: the pool has no subnet %u", row->vm.s,
			row->subnet);
	for (size_t i = 0; (other = ledger_at(n->ledger, i)); i++) {
		bool same_subnet = other->subnet == row->subnet;

		if (!ledger_row_has_network(other))
			continue;
		if ((other->owner == row->owner) != same_subnet)
			return err_set(err, ERR_protocol,
				"VM %s: subnet %u and uid %u do not go "
				"together",
				row->vm.s, row->subnet, row->owner);
		if ((same_subnet && other->host == row->host) ||
			memcmp(&other->mac, &row->mac, sizeof(row->mac)) == 0)
			return err_set(err, ERR_protocol,
				"VM %s: its address or MAC is another VM's", row->vm.s);
	}
	return 0;
}

/* No IPv6 on a link of ours; a kernel without IPv6 is fine too. */
static int no_ipv6(const char *name, struct err *err)
{
	struct err e = ERR_INIT;

	if (sysctl_set("ipv6", name, "disable_ipv6", 1, &e) < 0 && e.code != ERR_not_found) {
		*err = e;
		return -1;
	}
	return 0;
}

/* Not by its name alone. */
static bool is_our_bridge(const struct link_info *info, uid_t owner)
{
	mac address = name_bridge_mac(owner);

	return str_eq(info->kind, "bridge") &&
	       memcmp(&info->address, &address, sizeof(address)) == 0;
}

/* Take the bridge away; another link by that name is not banger's. */
static int bridge_down(struct netd *n, uid_t owner, struct err *err)
{
	struct ifname name = name_bridge(owner);
	struct link_info info;
	int r = link_find(n->link, name.s, &info, err);

	if (r <= 0 || !is_our_bridge(&info, owner))
		return r < 0 ? -1 : 0;
	return link_delete(n->link, name.s, err);
}

int netd_bridge_down(void *ctx, uid_t owner, struct err *err)
{
	struct netd *n = ctx;

	/* Noted by a netd that died, it may have VMs again. */
	if (count_rows(n, owner, NULL).owner_vms > 0)
		return 0;
	return bridge_down(n, owner, err);
}

/* The owner's bridge: there from an earlier VM, or made anew. */
static int bridge_up(struct netd *n, const struct ledger_row *row, bool first, unsigned *ret_index,
	struct err *err)
{
	struct ifname name = name_bridge(row->owner);
	struct link_info info;
	int r;

	/* Before the owner's first VM there is none, or one that was kept for it; what else is
	 * there was left by a crash. */
	if (first && !idle_take(&n->idle, n->ledger, row->owner, row->subnet) &&
		bridge_down(n, row->owner, err) < 0)
		return -1;
	r = link_find(n->link, name.s, &info, err);
	if (r < 0)
		return -1;
	if (r == 1 && !is_our_bridge(&info, row->owner))
		return err_set(err, ERR_already_exists,
			"interface %s is not banger's bridge: rename or remove it", name.s);
	if (r == 0) {
		if (link_add_bridge(n->link, name.s, name_bridge_mac(row->owner), err) < 0 ||
			link_find(n->link, name.s, &info, err) < 0 || no_ipv6(name.s, err) < 0 ||
			link_add_address(n->link, info.index,
				name_address(&n->config, row->subnet, NAME_GATEWAY_HOST),
				NAME_PREFIX, err) < 0 ||
			link_set_up(n->link, info.index, err) < 0)
			return -1;
	}
	*ret_index = info.index;
	return 0;
}

/* Take away a VM's TAP: one that a VMM made persistent, or an earlier attempt left, too. What else
 * has its name, and is no port of the owner's bridge, is not banger's. */
static int tap_down(struct netd *n, const struct ledger_row *row, struct err *err)
{
	struct ifname name = name_tap(row->vm);
	struct link_info tap, bridge;
	int r = link_find(n->link, name.s, &tap, err);

	if (r == 1 && !str_eq(tap.kind, "tun")) {
		r = link_find(n->link, name_bridge(row->owner).s, &bridge, err);
		if (r == 1 && tap.master != bridge.index)
			r = 0;
	}
	if (r <= 0)
		return r;
	return link_delete(n->link, name.s, err);
}

/* Nothing has the name of the VM's TAP. */
static int tap_name_free(struct netd *n, const struct ledger_row *row, struct err *err)
{
	struct ifname name = name_tap(row->vm);
	struct link_info info;
	int r;

	if (tap_down(n, row, err) < 0)
		return -1;
	r = link_find(n->link, name.s, &info, err);
	if (r == 1)
		return err_set(err, ERR_already_exists,
			"interface %s is not banger's TAP: rename or remove it", name.s);
	return r;
}

/* The TAP, which is in netd's namespace and down, becomes a port of the bridge. */
static int tap_join(struct netd *n, struct ifname name, unsigned bridge, struct err *err)
{
	struct link_info info;
	int r = link_find(n->link, name.s, &info, err);

	if (r < 0)
		return -1;
	if (r == 0 || !str_eq(info.kind, "tun"))
		return err_set(err, ERR_operation_failed, "TAP %s is gone", name.s);
	if (no_ipv6(name.s, err) < 0 || link_set_master(n->link, info.index, bridge, err) < 0)
		return -1;
	return link_set_up(n->link, info.index, err);
}

static int tap_up(struct netd *n, const struct ledger_row *row, unsigned bridge, int *ret_tap,
	struct err *err)
{
	struct ifname name = name_tap(row->vm);
	_cleanup_fd_ int tap = -1;

	if (tap_name_free(n, row, err) < 0)
		return -1;
	/* Firecracker's is made where Firecracker is. */
	if (row->vmm == vmm_kind_firecracker)
		return 0;
	if (tap_open(name.s, &tap, err) < 0 || tap_join(n, name, bridge, err) < 0 ||
		FAILPOINT(tap_made, err) < 0)
		return -1;
	*ret_tap = TAKE_FD(tap);
	return 0;
}

/* Forwarding as the rows ask for it; the owner's bridge is there. */
static int forward_up(struct netd *n, const struct ledger_row *row, struct err *err)
{
	if (!row->nat)
		return 0;
	if (forwarding_up(n->ledger, n->link, err) < 0)
		return -1;
	return sysctl_set("ipv4", name_bridge(row->owner).s, "forwarding", 1, err);
}

int netd_network_down(struct netd *n, const struct ledger_row *row, bool keep, struct err *err)
{
	struct census left = count_rows(n, row->owner, &row->vm);
	struct ifname bridge = name_bridge(row->owner);
	bool stays = left.owner_vms > 0;

	if (tap_down(n, row, err) < 0 || FAILPOINT(release_tap, err) < 0)
		return -1;
	if (!stays && keep)
		stays = idle_keep(&n->idle, n->ledger, row->owner, row->subnet);
	if (!stays && bridge_down(n, row->owner, err) < 0)
		return -1;
	if (stays && left.owner_nat == 0 && row->nat &&
		sysctl_set("ipv4", bridge.s, "forwarding", 0, err) < 0)
		return -1;
	if (left.nat == 0 && forwarding_down(n->ledger, err) < 0)
		return -1;
	return left.vms == 0 ? netd_firewall(n, &row->vm, err)
			     : netd_firewall_remove(n, row, left.owner_vms == 0, err);
}

/* All of a row's network; the row is in the ledger as `network` by then, so that the firewall is
 * right before the first frame. */
static int network_up(struct netd *n, struct ledger_row *row, bool first, struct err *err)
{
	unsigned bridge = 0;

	if (FAILPOINT(tap_row, err) < 0 || bridge_up(n, row, first, &bridge, err) < 0 ||
		FAILPOINT(tap_bridge, err) < 0 || forward_up(n, row, err) < 0 ||
		FAILPOINT(tap_forward, err) < 0 || netd_firewall_add(n, row, err) < 0 ||
		FAILPOINT(tap_rules, err) < 0)
		return -1;
	return tap_up(n, row, bridge, &row->tap, err);
}

int on_tap_create(struct netd *n, struct netd_tap_create_in *in, struct netd_tap_create_out *out,
	struct err *err)
{
	struct ledger_row *row, wanted, before;
	struct err undo = ERR_INIT;
	bool first;

	if (netd_gate(n, netd_msg_tap_create, in->vm, &row, err) < 0)
		return -1;
	if (in->vmm == vmm_kind_auto)
		return err_set(err, ERR_protocol, "VM %s: which VMM is not said", in->vm.s);
	before = wanted = *row;
	wanted.state = ledger_state_network;
	wanted.subnet = in->subnet;
	wanted.host = in->host;
	wanted.mac = in->mac;
	wanted.nat = in->nat;
	wanted.vmm = in->vmm;
	if (check_address(n, &wanted, err) < 0)
		return -1;
	first = count_rows(n, wanted.owner, NULL).owner_vms == 0;
	if (FAILPOINT(tap_begin, err) < 0 || ledger_put(n->ledger, &wanted, err) < 0)
		return -1;
	if (network_up(n, ledger_find(n->ledger, in->vm), first, err) < 0) {
		/* What cannot be undone now is undone by vm_release. */
		if (netd_network_down(n, &wanted, false, &undo) == 0)
			ledger_put(n->ledger, &before, &undo);
		return -1;
	}
	out->address = name_address(&n->config, in->subnet, in->host);
	out->gateway = name_address(&n->config, in->subnet, NAME_GATEWAY_HOST);
	out->prefix = NAME_PREFIX;
	return 0;
}

/* Out of the VMM's namespace, by a socket that is in there, and onto the bridge. */
static int attach(
	struct netd *n, const struct ledger_row *row, struct link *inside, struct err *err)
{
	struct ifname name = name_tap(row->vm), bridge = name_bridge(row->owner);
	struct err undo = ERR_INIT;
	struct link_info info;
	int r = link_find(n->link, bridge.s, &info, err);

	if (r < 0)
		return -1;
	if (r == 0)
		return err_set(err, ERR_operation_failed, "bridge %s is gone", bridge.s);
	if (tap_name_free(n, row, err) < 0)
		return -1;
	if (link_move(inside, name.s, n->netns, err) < 0)
		return err_wrap(err, "VM %s has no TAP that could be attached", row->vm.s);
	if (FAILPOINT(attach_moved, err) < 0 || tap_join(n, name, info.index, err) < 0 ||
		FAILPOINT(attach_joined, err) < 0) {
		tap_down(n, row, &undo);
		return -1;
	}
	return 0;
}

int on_tap_attach(struct netd *n, struct netd_tap_attach_in *in, struct netd_tap_attach_out *out,
	struct err *err)
{
	struct ledger_row *row, attached;
	struct err undo = ERR_INIT;
	struct link *inside;
	int r;

	if (netd_gate(n, netd_msg_tap_attach, in->vm, &row, err) < 0)
		return -1;
	if (row->attached)
		return err_set(err, ERR_protocol, "VM %s has its TAP on its bridge", in->vm.s);
	if (row->inside < 0)
		return err_set(err, ERR_operation_failed,
			"the way to the TAP of VM %s is gone, used once or with an earlier "
			"banger-netd: release it",
			in->vm.s);
	if (link_open_socket(row->inside, &inside, err) < 0)
		return -1;
	row->inside = -1; /* the link's now, and gone with it: there is one try */
	r = FAILPOINT(attach_begin, err) < 0 ? -1 : attach(n, row, inside, err);
	link_close(inside);
	if (r < 0)
		return -1;
	attached = *row;
	attached.attached = true;
	if (ledger_put(n->ledger, &attached, err) < 0) {
		tap_down(n, row, &undo);
		return -1;
	}
	return FAILPOINT(attach_row, err);
}

/* Forwarding and rules as the rows say. */
static int nat_apply(struct netd *n, const struct ledger_row *row, struct err *err)
{
	struct census c = count_rows(n, row->owner, NULL);

	if (forward_up(n, row, err) < 0)
		return -1;
	if (c.owner_nat == 0 &&
		sysctl_set("ipv4", name_bridge(row->owner).s, "forwarding", 0, err) < 0)
		return -1;
	if (c.nat == 0 && forwarding_down(n->ledger, err) < 0)
		return -1;
	return netd_firewall(n, NULL, err);
}

int on_nat_set(
	struct netd *n, struct netd_nat_set_in *in, struct netd_nat_set_out *out, struct err *err)
{
	struct ledger_row *row, before, wanted;
	struct err undo = ERR_INIT;

	if (netd_gate(n, netd_msg_nat_set, in->vm, &row, err) < 0)
		return -1;
	if (!row || !ledger_row_has_network(row))
		return err_set(err, ERR_protocol, "VM %s has no network", in->vm.s);
	if (row->nat == in->nat)
		return 0;
	before = wanted = *row;
	wanted.nat = in->nat;
	if (FAILPOINT(nat_begin, err) < 0 || ledger_put(n->ledger, &wanted, err) < 0)
		return -1;
	if (FAILPOINT(nat_row, err) == 0 && nat_apply(n, &wanted, err) == 0 &&
		FAILPOINT(nat_applied, err) == 0)
		return 0;
	if (ledger_put(n->ledger, &before, &undo) == 0)
		nat_apply(n, &before, &undo);
	return -1;
}
