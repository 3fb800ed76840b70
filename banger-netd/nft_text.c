/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/nft_text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banger-netd/names.h"
#include "common/str.h"

struct source {
	const struct netd_config *config;
	const struct ledger *ledger;
	const vm_id *except;
	const char *uplinks;
};

/* The row at *at or behind it, that counts; NULL at the end. */
static const struct ledger_row *next_row(const struct source *s, size_t *at)
{
	const struct ledger_row *row;

	while ((row = ledger_at(s->ledger, (*at)++)))
		if (ledger_row_has_network(row) &&
			!(s->except && strcmp(row->vm.s, s->except->s) == 0))
			return row;
	return NULL;
}

/* True for the first row of its owner: each bridge is an element once. */
static bool is_first_of_owner(const struct source *s, const struct ledger_row *row)
{
	const struct ledger_row *other;
	size_t at = 0;

	while ((other = next_row(s, &at)) && other != row)
		if (other->owner == row->owner)
			return false;
	return true;
}

typedef bool (*element)(FILE *f, const struct source *s, const struct ledger_row *row, bool first);

static void separate(FILE *f, bool first)
{
	fputs(first ? "\t\telements = { " : ",\n\t\t\t", f);
}

static bool put_bridge(FILE *f, const struct source *s, const struct ledger_row *row, bool first)
{
	if (!is_first_of_owner(s, row))
		return false;
	separate(f, first);
	fprintf(f, "\"%s\"", name_bridge(row->owner).s);
	return true;
}

static bool put_pair(FILE *f, const struct source *s, const struct ledger_row *row, bool first)
{
	struct ifname bridge = name_bridge(row->owner);

	if (!is_first_of_owner(s, row))
		return false;
	separate(f, first);
	fprintf(f, "\"%s\" . \"%s\"", bridge.s, bridge.s);
	return true;
}

static bool put_owner(FILE *f, const struct source *s, const struct ledger_row *row, bool first)
{
	if (!is_first_of_owner(s, row))
		return false;
	separate(f, first);
	fprintf(f, "\"%s\" . %u", name_bridge(row->owner).s, row->owner);
	return true;
}

static bool put_nat(FILE *f, const struct source *s, const struct ledger_row *row, bool first)
{
	char a[16];

	if (!row->nat)
		return false;
	separate(f, first);
	fputs(ipv4_format(name_address(s->config, row->subnet, row->host), a), f);
	return true;
}

static bool put_tap(FILE *f, const struct source *s, const struct ledger_row *row, bool first)
{
	(void)s;
	separate(f, first);
	fprintf(f, "\"%s\"", name_tap(row->vm).s);
	return true;
}

static bool put_sender(FILE *f, const struct source *s, const struct ledger_row *row, bool first)
{
	char m[18], a[16];

	separate(f, first);
	fprintf(f, "\"%s\" . %s . %s", name_tap(row->vm).s, mac_format(row->mac, m),
		ipv4_format(name_address(s->config, row->subnet, row->host), a));
	return true;
}

static void put_set(
	FILE *f, const struct source *s, const char *name, const char *type, element put)
{
	const struct ledger_row *row;
	bool first = true;
	size_t at = 0;

	fprintf(f, "\tset %s {\n\t\t%s\n", name, type);
	while ((row = next_row(s, &at)))
		if (put(f, s, row, first))
			first = false;
	fputs(first ? "\t}\n" : " }\n\t}\n", f);
}

static void put_uplinks(FILE *f, const struct source *s)
{
	bool first = true;

	fputs("\tset uplinks {\n\t\ttype ifname\n", f);
	for (const char *p = s->uplinks; *p;) {
		size_t n = strcspn(p, "\n");

		separate(f, first);
		fprintf(f, "\"%.*s\"", (int)n, p);
		first = false;
		p += n + (p[n] == '\n');
	}
	fputs(first ? "\t}\n" : " }\n\t}\n", f);
}

/*
 * Who may send what through the host. An owner's VMs reach each other (by bridge; with br_netfilter
 * on, also through `forward`: hence own_pairs); those with NAT what the host reaches, but no other
 * owner's; link-local (metadata services) nobody. The host answers nothing of its own, and only
 * root and the owner open connections to an owner's VMs.
 */
static const char ip_chains[] = "\tchain from_guest {\n"
				"\t\tip daddr 169.254.0.0/16 drop\n"
				"\t\tiifname . oifname @own_pairs accept\n"
				"\t\toifname @bridges drop\n"
				"\t\tip saddr @nat_sources accept\n"
				"\t\tdrop\n"
				"\t}\n"
				"\tchain forward {\n"
				"\t\ttype filter hook forward priority 0; policy accept;\n"
				"\t\tiifname @bridges goto from_guest\n"
				"\t\toifname @bridges ct state established,related accept\n"
				"\t\toifname @bridges drop\n"
				"\t\tiifname @uplinks drop\n"
				"\t}\n"
				"\tchain input {\n"
				"\t\ttype filter hook input priority 0; policy accept;\n"
				"\t\tiifname @bridges ct state established,related accept\n"
				"\t\tiifname @bridges drop\n"
				"\t}\n"
				"\tchain output {\n"
				"\t\ttype filter hook output priority 0; policy accept;\n"
				"\t\toifname @bridges ct state established,related accept\n"
				"\t\toifname . meta skuid @owners accept\n"
				"\t\toifname @bridges meta skuid 0 accept\n"
				"\t\toifname @bridges drop\n"
				"\t}\n"
				"\tchain postrouting {\n"
				"\t\ttype nat hook postrouting priority 100; policy accept;\n"
				"\t\toifname @bridges accept\n"
				"\t\tip saddr @nat_sources masquerade\n"
				"\t}\n";

/* A TAP's frames carry its VM's MAC and address, in ARP too, or go nowhere. */
static const char bridge_chains[] =
	"\tchain prerouting {\n"
	"\t\ttype filter hook prerouting priority -300; policy accept;\n"
	"\t\tiifname != @taps accept\n"
	"\t\tether type arp iifname . ether saddr . arp saddr ip != @senders drop\n"
	"\t\tether type arp iifname . arp saddr ether . arp saddr ip @senders accept\n"
	"\t\tether type ip iifname . ether saddr . ip saddr @senders accept\n"
	"\t\tdrop\n"
	"\t}\n";

static void put_tables(FILE *f, const struct source *s)
{
	fputs("table ip banger {\n", f);
	put_set(f, s, "bridges", "type ifname", put_bridge);
	put_set(f, s, "own_pairs", "type ifname . ifname", put_pair);
	put_set(f, s, "owners", "typeof oifname . meta skuid", put_owner);
	put_set(f, s, "nat_sources", "type ipv4_addr", put_nat);
	put_uplinks(f, s);
	fputs(ip_chains, f);
	fputs("}\ntable bridge banger {\n", f);
	put_set(f, s, "taps", "type ifname", put_tap);
	put_set(f, s, "senders", "type ifname . ether_addr . ipv4_addr", put_sender);
	fputs(bridge_chains, f);
	fputs("}\n", f);
}

int nft_text_build(const struct netd_config *c, const struct ledger *l, const vm_id *except,
	const char *uplinks, char **ret, struct err *err)
{
	const struct source s = { c, l, except, uplinks };
	char *rules = NULL;
	size_t at = 0, n;
	FILE *f = open_memstream(&rules, &n);

	if (!f)
		return err_sys(err, ERR_operation_failed, errno, "cannot write rules");
	/* "add" first: what is not there could not be deleted. */
	for (int i = 0; i < 2; i++)
		fprintf(f, "%s table ip banger\n%s table bridge banger\n", i ? "delete" : "add",
			i ? "delete" : "add");
	if (next_row(&s, &at))
		put_tables(f, &s);
	if (fclose(f) != 0) {
		free(rules);
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot write rules");
	}
	*ret = rules;
	return 0;
}

static void put_change(FILE *f, const char *verb, const char *set, const char *what)
{
	fprintf(f, "%s element %s { %s }\n", verb, set, what);
}

int nft_text_change(const struct netd_config *c, const struct ledger_row *row, bool add,
	bool owner_too, char **ret, struct err *err)
{
	struct ifname bridge = name_bridge(row->owner), tap = name_tap(row->vm);
	const char *verb = add ? "add" : "delete";
	char a[16], m[18], what[96], *changes = NULL;
	size_t n;
	FILE *f = open_memstream(&changes, &n);

	if (!f)
		return err_sys(err, ERR_operation_failed, errno, "cannot write rules");
	ipv4_format(name_address(c, row->subnet, row->host), a);
	if (owner_too) {
		str_format(what, sizeof(what), "\"%s\"", bridge.s);
		put_change(f, verb, "ip banger bridges", what);
		str_format(what, sizeof(what), "\"%s\" . \"%s\"", bridge.s, bridge.s);
		put_change(f, verb, "ip banger own_pairs", what);
		str_format(what, sizeof(what), "\"%s\" . %u", bridge.s, row->owner);
		put_change(f, verb, "ip banger owners", what);
	}
	if (row->nat)
		put_change(f, verb, "ip banger nat_sources", a);
	str_format(what, sizeof(what), "\"%s\"", tap.s);
	put_change(f, verb, "bridge banger taps", what);
	str_format(what, sizeof(what), "\"%s\" . %s . %s", tap.s, mac_format(row->mac, m), a);
	put_change(f, verb, "bridge banger senders", what);
	if (fclose(f) != 0) {
		free(changes);
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot write rules");
	}
	*ret = changes;
	return 0;
}
