/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "banger-netd/names.h"
#include "banger-netd/netd.h"
#include "banger-netd/procs.h"
#include "banger-netd/rundir.h"
#include "common/failpoint.h"
#include "common/fd.h"
#include "common/log.h"

static bool uid_is_taken(const struct netd *n, uid_t uid)
{
	const struct ledger_row *row;

	for (size_t i = 0; (row = ledger_at(n->ledger, i)); i++)
		if (row->jail_uid == uid)
			return true;
	return false;
}

/* Nothing runs under it: nothing of a VM whose ledger was lost, or of another suite's. */
static int uid_is_free(struct netd *n, uid_t uid, bool *ret, struct err *err)
{
	const struct launch_uid_check_in in = { .jail_uid = uid };
	struct launch_uid_check_out out;

	if (uid_is_taken(n, uid)) {
		*ret = false;
		return 0;
	}
	if (launch_uid_check(n->launch, &in, &out, err) < 0)
		return -1;
	*ret = !out.alive;
	return 0;
}

/* The next free uid of the range, whose last one is no VM's (it asks QEMU's version). */
static int pick_uid(struct netd *n, uid_t *ret, struct err *err)
{
	uint32_t count = n->config.uid_count - 1;
	bool is_free = false;

	for (uint32_t i = 0; i < count; i++) {
		uid_t uid = n->config.uid_base + n->next_uid % count;

		n->next_uid = (n->next_uid + 1) % count;
		if (uid_is_free(n, uid, &is_free, err) < 0)
			return -1;
		if (is_free) {
			*ret = uid;
			return 0;
		}
	}
	return err_set(err, ERR_quota_exceeded,
		"all %u jail uids are in use: stop a VM, or make [jail] uid_count larger", count);
}

int netd_kill_uid(struct netd *n, vm_id vm, uid_t uid, struct err *err)
{
	const struct launch_uid_kill_in in = { .vm = vm, .jail_uid = uid };
	const struct launch_limits_remove_in limits_in = { .vm = vm };
	struct launch_uid_kill_out out;
	struct launch_limits_remove_out limits_out;

	if (launch_uid_kill(n->launch, &in, &out, err) < 0)
		return -1;
	return launch_limits_remove(n->launch, &limits_in, &limits_out, err);
}

int on_vm_reserve(struct netd *n, struct netd_vm_reserve_in *in, struct netd_vm_reserve_out *out,
	struct err *err)
{
	struct ledger_row row = { .vm = in->vm,
		.owner = in->owner,
		.tap = -1,
		.inside = -1,
		.state = ledger_state_reserved },
			  *old;

	if (netd_gate(n, netd_msg_vm_reserve, in->vm, &old, err) < 0)
		return -1;
	if (FAILPOINT(reserve_begin, err) < 0 || pick_uid(n, &row.jail_uid, err) < 0 ||
		ledger_put(n->ledger, &row, err) < 0 || FAILPOINT(reserve_row, err) < 0)
		return -1;
	out->jail_uid = row.jail_uid;
	return 0;
}

/* A pidfd of a row's VMM, which launch knows from now on. Fails with not_found when it is gone. */
static int adopt(struct netd *n, const struct ledger_row *row, int *ret_pidfd, struct err *err)
{
	const struct launch_process_adopt_in in = {
		.vm = row->vm, .pid = (uint32_t)row->pid, .start_time = row->start_time
	};
	struct launch_process_adopt_out out;

	if (launch_process_adopt(n->launch, &in, &out, err) < 0)
		return -1;
	*ret_pidfd = out.pidfd;
	return 0;
}

int on_vm_adopt(
	struct netd *n, struct netd_vm_adopt_in *in, struct netd_vm_adopt_out *out, struct err *err)
{
	_cleanup_fd_ int pidfd = -1, rundir = -1;
	struct ledger_row *row;

	if (netd_gate(n, netd_msg_vm_adopt, in->vm, &row, err) < 0)
		return -1;
	if (adopt(n, row, &pidfd, err) < 0 || rundir_open(n->rundirs, in->vm, &rundir, err) < 0)
		return -1;
	out->pid = (uint32_t)row->pid;
	out->start_time = row->start_time;
	out->pidfd = TAKE_FD(pidfd);
	out->rundir = TAKE_FD(rundir);
	out->vmm = row->vmm;
	out->jail_uid = row->jail_uid;
	return 0;
}

int on_vm_signal(struct netd *n, struct netd_vm_signal_in *in, struct netd_vm_signal_out *out,
	struct err *err)
{
	const struct launch_process_signal_in signal_in = { .vm = in->vm, .signo = in->signo };
	struct launch_process_signal_out signal_out;
	_cleanup_fd_ int pidfd = -1;
	struct ledger_row *row;

	if (netd_gate(n, netd_msg_vm_signal, in->vm, &row, err) < 0)
		return -1;
	if (FAILPOINT(signal_begin, err) < 0 || adopt(n, row, &pidfd, err) < 0)
		return -1;
	return launch_process_signal(n->launch, &signal_in, &signal_out, err);
}

int on_vm_reap(
	struct netd *n, struct netd_vm_reap_in *in, struct netd_vm_reap_out *out, struct err *err)
{
	const struct launch_process_reap_in reap_in = { .vm = in->vm };
	struct launch_process_reap_out reaped = { 0 };
	_cleanup_fd_ int pidfd = -1;
	struct err gone = ERR_INIT;
	struct ledger_row *row, dead;

	if (netd_gate(n, netd_msg_vm_reap, in->vm, &row, err) < 0 || FAILPOINT(reap_begin, err) < 0)
		return -1;
	if (adopt(n, row, &pidfd, &gone) < 0) {
		if (gone.code != ERR_not_found) {
			*err = gone;
			return -1;
		}
	} else if (launch_process_reap(n->launch, &reap_in, &reaped, err) < 0)
		return -1;
	dead = *row;
	dead.state = ledger_state_dead;
	if (ledger_put(n->ledger, &dead, err) < 0 || FAILPOINT(reap_row, err) < 0)
		return -1;
	out->known = reaped.known;
	out->status = reaped.status;
	return 0;
}

int on_vm_release(struct netd *n, struct netd_vm_release_in *in, struct netd_vm_release_out *out,
	struct err *err)
{
	struct ledger_row *row;

	if (netd_gate(n, netd_msg_vm_release, in->vm, &row, err) < 0)
		return -1;
	if (!row)
		return 0;
	if (FAILPOINT(release_begin, err) < 0 || netd_kill_uid(n, in->vm, row->jail_uid, err) < 0 ||
		FAILPOINT(release_killed, err) < 0 ||
		(row->disk && netd_disk_down(n, in->vm, err) < 0) ||
		FAILPOINT(release_disk, err) < 0)
		return -1;
	if (ledger_row_has_network(row) && netd_network_down(n, row, true, err) < 0)
		return -1;
	if (FAILPOINT(release_network, err) < 0 || netd_rundir_remove(n, in->vm, err) < 0 ||
		FAILPOINT(release_rundir, err) < 0 || ledger_remove(n->ledger, in->vm, err) < 0 ||
		FAILPOINT(release_row, err) < 0)
		return -1;
	log_info("VM %s is gone", in->vm.s);
	return 0;
}

/* What a VMM put into its own directory only its own uid can take away for certain. */
int netd_rundir_remove(struct netd *n, vm_id vm, struct err *err)
{
	struct launch_uid_empty_in in;
	struct launch_uid_empty_out out;
	_cleanup_fd_ int dir = -1;

	if (rundir_vmm_open(n->rundirs, vm, &dir, &in.jail_uid, err) < 0)
		return -1;
	in.dir = dir;
	if (dir >= 0 && launch_uid_empty(n->launch, &in, &out, err) < 0)
		return -1;
	return rundir_remove(n->rundirs, vm, err);
}

int on_vm_next(
	struct netd *n, struct netd_vm_next_in *in, struct netd_vm_next_out *out, struct err *err)
{
	const struct ledger_row *row = ledger_after(n->ledger, in->after);
	_cleanup_fd_ int pidfd = -1;
	struct err gone = ERR_INIT;

	out->vm = in->after; /* every field must be valid; found tells */
	if (!row)
		return 0;
	if (row->state == ledger_state_running) {
		if (adopt(n, row, &pidfd, &gone) == 0)
			out->alive = !proc_dead(pidfd);
		else if (gone.code != ERR_not_found) {
			*err = gone;
			return -1;
		}
	}
	out->found = true;
	out->vm = row->vm;
	out->owner = row->owner;
	out->state = row->state;
	return 0;
}
