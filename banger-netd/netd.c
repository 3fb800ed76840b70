/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/netd.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "banger-netd/names.h"
#include "banger-netd/rundir.h"
#include "common/log.h"
#include "common/str.h"
#include "common/watchdog.h"

#define PROTO	    netd
#define PROTO_TABLE "common/proto/netd.tbl.h"
#define PROTO_CTX   struct netd
#include "common/ipc_serve.h"

int netd_gate(
	struct netd *n, enum netd_message m, vm_id vm, struct ledger_row **ret, struct err *err)
{
	const struct message *msg = &netd_protocol.messages[m];
	struct ledger_row *row = ledger_find(n->ledger, vm);
	enum ledger_state state = row ? row->state : ledger_state_none;

	if (!str_eq(msg->state, "any") && !str_eq(msg->state, ledger_state_to_name(state)))
		return err_set(err, ERR_protocol, "%s of VM %s in state %s: the ledger forbids it",
			msg->name, vm.s, ledger_state_to_name(state));
	*ret = row;
	return 0;
}

int on_host_status(struct netd *n, struct netd_host_status_in *in, struct netd_host_status_out *out,
	struct err *err)
{
	const struct launch_kvm_probe_in kvm_in;
	const struct launch_qemu_probe_in qemu_in;
	const struct launch_limits_status_in limits_in;
	struct launch_limits_status_out limits;
	const struct launch_firecracker_probe_in firecracker_in;
	const struct launch_dm_probe_in dm_in;
	struct launch_dm_probe_out dm;
	struct launch_kvm_probe_out kvm;
	struct launch_qemu_probe_out qemu;
	struct launch_firecracker_probe_out firecracker;

	if (launch_kvm_probe(n->launch, &kvm_in, &kvm, err) < 0 ||
		launch_qemu_probe(n->launch, &qemu_in, &qemu, err) < 0 ||
		launch_limits_status(n->launch, &limits_in, &limits, err) < 0 ||
		launch_firecracker_probe(n->launch, &firecracker_in, &firecracker, err) < 0 ||
		launch_dm_probe(n->launch, &dm_in, &dm, err) < 0)
		return -1;
	kvm_note_write(n->ledger, &n->kvm, kvm.kvm, kvm.probe_us);
	out->kvm = kvm.kvm;
	out->kvm_probe_us = kvm.probe_us;
	out->have_tun = n->have_tun;
	out->have_qemu = qemu.have_qemu;
	out->have_nft = n->have_nft;
	out->limits = limits.limits;
	out->limits_problem = limits.problem;
	out->have_dm = dm.have_dm;
	out->swept = n->swept;
	out->tsc_khz = host_tsc_khz(&n->tsc);
	out->pool = n->config.pool;
	out->pool_prefix = n->config.pool_prefix;
	out->have_firecracker = firecracker.have_firecracker;
	out->firecracker_version = firecracker.version;
	out->firecracker_problem = firecracker.problem;
	out->qemu_version = qemu.have_qemu ? qemu.version : qemu.problem;
	return 0;
}

static void trace(void *ctx, const struct message *m, uint64_t op)
{
	log_set_op(op);
	log_debug("%s", m->name);
	watchdog_begin(WATCHDOG_NETD);
}

/* Wait for bangerd; false when launch is gone, without whom there is nothing to do. */
static bool await_request(struct netd *n, struct ipc *ch)
{
	struct pollfd p[2] = { { .fd = ipc_fd(ch), .events = POLLIN },
		{ .fd = ipc_fd(n->launch), .events = POLLIN } };

	for (;;) {
		int r = poll(p, 2, idle_wait_ms(&n->idle));

		if (r > 0)
			break;
		if (r < 0 && errno != EINTR)
			return false;
		idle_end(&n->idle, n->ledger, false, netd_bridge_down, n);
	}
	return p[0].revents || !p[1].revents;
}

int netd_serve(struct netd *n, struct ipc *ch)
{
	struct err err = ERR_INIT;
	int r = 1;

	while (r > 0) {
		if (!await_request(n, ch) || ipc_broken(n->launch)) {
			r = err_set(&err, ERR_unavailable, "banger-netd's launch half is gone");
			break;
		}
		r = ipc_serve(ch, netd_handlers, n, trace, &err);
		watchdog_end();
		log_set_op(0);
	}
	if (r < 0)
		log_error("%s", err.msg);
	idle_end(&n->idle, n->ledger, true, netd_bridge_down, n);
	ipc_close(ch);
	return r < 0;
}
