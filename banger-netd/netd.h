/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* netd proper: bangerd's requests, the ledger's rules, and who carries them out. */
#include "banger-netd/config.h"
#include "banger-netd/host.h"
#include "banger-netd/idle.h"
#include "banger-netd/kvm_note.h"
#include "banger-netd/ledger.h"
#include "banger-netd/link.h"
#include "banger-netd/nft.h"
#include "common/ipc.h"
#include "common/proto_launch.h"
#include "common/proto_netd.h"

struct netd {
	struct netd_config config;
	struct ledger *ledger;
	struct ipc *launch;
	struct link *link;
	struct nft *nft;
	char *rules_uplinks; /* with which the rules stand; NULL: not known to stand */
	int rundirs;	     /* vm/, of all VMs' run directories */
	int netns;	     /* the network namespace that all of this is in */
	int claim;	     /* alone.h */
	uint32_t next_uid;   /* offset in the range, random at first: uids come round late */
	struct host_tsc tsc;
	bool have_tun, have_nft;
	struct kvm_note kvm; /* at start */
	struct idle idle;
	unsigned swept; /* sweep.h, at start */
};

/* Handlers, as the table names them. */
#define MSG(n, s) \
	int on_##n(struct netd *, struct netd_##n##_in *, struct netd_##n##_out *, struct err *);
#include "common/proto/netd.tbl.h"

/*
 * The law of the ledger: the VM must be in the state that the table demands of the message. The
 * row, the ledger's own (NULL in state none). A breach fails with protocol: no honest bangerd asks.
 */
int netd_gate(
	struct netd *n, enum netd_message m, vm_id vm, struct ledger_row **ret, struct err *err);

/* Make the firewall what the ledger says, without `except` (may be NULL). */
int netd_firewall(struct netd *n, const vm_id *except, struct err *err);

/* The same when one VM came, or went, that was not the only one; owner_too: it was its owner's
 * last. */
int netd_firewall_add(struct netd *n, const struct ledger_row *row, struct err *err);
int netd_firewall_remove(
	struct netd *n, const struct ledger_row *row, bool owner_too, struct err *err);
void netd_firewall_close(struct netd *n); /* forget what stands; the rules stay */

/* Take a VM's share of the network away: TAP and rules; its owner's bridge after the last one, or,
 * with `keep`, soon after (idle.h). */
int netd_network_down(struct netd *n, const struct ledger_row *row, bool keep, struct err *err);

/* Take a VM's copy-on-write disk away, when nothing has it open any more. */
int netd_disk_down(struct netd *n, vm_id vm, struct err *err);

/* Take those away that no row knows; how many. */
int netd_disk_sweep(struct netd *n, unsigned *ret, struct err *err);

/* Take a bridge of no VM away; `ctx` is the netd. For idle.h. */
int netd_bridge_down(void *ctx, uid_t owner, struct err *err);

/* End what lives of a VM, and what limited it. */
int netd_kill_uid(struct netd *n, vm_id vm, uid_t uid, struct err *err);

/* The run directory, with all that a VMM, which is dead, put there. None is fine. */
int netd_rundir_remove(struct netd *n, vm_id vm, struct err *err);

/* Serve until a peer is gone; the process's exit status. Takes the channel. */
int netd_serve(struct netd *n, struct ipc *ch);
