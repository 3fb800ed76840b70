/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "banger-netd/dm_disk.h"
#include "banger-netd/kvm_probe.h"
#include "banger-netd/launch_firecracker.h"
#include "banger-netd/launch_qemu.h"
#include "banger-netd/limits.h"
#include "banger-netd/procfs.h"
#include "banger-netd/procs.h"
#include "banger-netd/uid_empty.h"
#include "banger-netd/uid_kill.h"
#include "banger-netd/vmm_probe.h"
#include "common/failpoint.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/proto_launch.h"
#include "common/str.h"
#include "common/watchdog.h"

#define DEATH_MS 10000

struct launch {
	const struct netd_config *config;
	struct procs procs;
	struct kvm_probe kvm;
	struct vmm_probe qemu, firecracker;
	struct limits_host *limits;
	struct dm dm; /* opened when it is first asked for: its module may be loaded any time */
};

#define PROTO	    launch
#define PROTO_TABLE "common/proto/launch.tbl.h"
#define PROTO_CTX   struct launch
#include "common/ipc_serve.h"

static bool is_jail_uid(const struct launch *l, uid_t uid)
{
	return uid >= l->config->uid_base && uid - l->config->uid_base < l->config->uid_count;
}

/* KVM or TCG: what was asked for, or what the probe found. */
static int choose_kvm(struct launch *l, enum accel accel, bool *ret, struct err *err)
{
	if (accel == accel_tcg) {
		*ret = false;
		return 0;
	}
	kvm_probe_finish(&l->kvm);
	if (accel == accel_kvm &&
		(l->kvm.state == kvm_state_absent || l->kvm.state == kvm_state_denied))
		return err_set(err, ERR_unavailable,
			"this host has no usable /dev/kvm: choose the acceleration auto or tcg");
	*ret = accel == accel_kvm || l->kvm.state == kvm_state_good;
	return 0;
}

static int check_spawn(
	struct launch *l, uid_t jail_uid, vm_id vm, const struct vmm_probe *vmm, struct err *err)
{
	if (FAILPOINT(spawn_begin, err) < 0)
		return -1;
	if (!is_jail_uid(l, jail_uid))
		return err_set(err, ERR_protocol, "%u is no jail's uid", jail_uid);
	if (procs_find(&l->procs, vm))
		return err_set(err, ERR_protocol, "VM %s has a VMM already", vm.s);
	if (vmm->binary.fd < 0)
		return err_set(err, ERR_unavailable, "%s", vmm->problem.s);
	return 0;
}

/* Put a fresh child into the table, whose the child's pidfd and gate, and the log, are then; or end
 * it. *ret_pidfd is a copy. */
static int keep(struct launch *l, vm_id vm, struct jail_child *c, struct vmm_log *log,
	uint64_t *ret_start_time, int *ret_pidfd, struct err *err)
{
	struct proc p = { .vm = vm,
		.pid = c->pid,
		.pidfd = c->pidfd,
		.gate = c->gate,
		.child = true,
		.log = *log };
	_cleanup_fd_ int pidfd = fcntl(c->pidfd, F_DUPFD_CLOEXEC, 0);
	int r;

	if (FAILPOINT(spawn_child, err) < 0)
		r = -1;
	else if (pidfd < 0)
		r = err_sys(err, ERR_operation_failed, errno, "cannot copy a pidfd");
	else
		r = proc_start_time(p.pid, &p.start_time, err);
	if (r == 0)
		r = procs_add(&l->procs, &p, err);
	if (r < 0) {
		syscall(SYS_pidfd_send_signal, c->pidfd, SIGKILL, NULL, 0);
		poll(&(struct pollfd){ .fd = c->pidfd, .events = POLLIN }, 1, DEATH_MS);
		proc_reap(&p);
		proc_finish(&p);
		return -1;
	}
	if (FAILPOINT(spawn_kept, err) < 0)
		return -1;
	*ret_start_time = p.start_time;
	*ret_pidfd = TAKE_FD(pidfd);
	return 0;
}

int on_qemu_spawn(struct launch *l, struct launch_qemu_spawn_in *in,
	struct launch_qemu_spawn_out *out, struct err *err)
{
	struct jail_child c = JAIL_CHILD_INIT;
	struct vmm_log log;
	bool kvm = false;

	if (check_spawn(l, in->jail_uid, in->vm, &l->qemu, err) < 0 ||
		choose_kvm(l, in->accel, &kvm, err) < 0 ||
		launch_qemu(l->config, l->qemu.binary.fd, in, kvm, &c, &log, err) < 0)
		return -1;
	out->pid = (uint32_t)c.pid;
	return keep(l, in->vm, &c, &log, &out->start_time, &out->pidfd, err);
}

int on_firecracker_spawn(struct launch *l, struct launch_firecracker_spawn_in *in,
	struct launch_firecracker_spawn_out *out, struct err *err)
{
	struct jail_child c = JAIL_CHILD_INIT;
	struct vmm_log log;

	firecracker_probe_finish(&l->firecracker);
	if (check_spawn(l, in->jail_uid, in->vm, &l->firecracker, err) < 0 ||
		launch_firecracker(l->config, &l->firecracker.binary, in, &c, &log, err) < 0)
		return -1;
	out->pid = (uint32_t)c.pid;
	if (keep(l, in->vm, &c, &log, &out->start_time, &out->pidfd, err) < 0) {
		fd_closep(&c.tun);
		fd_closep(&c.netlink);
		return -1;
	}
	out->tun = c.tun;
	out->netlink = c.netlink;
	return 0;
}

int on_process_go(struct launch *l, struct launch_process_go_in *in,
	struct launch_process_go_out *out, struct err *err)
{
	struct proc *p = procs_find(&l->procs, in->vm);

	if (!p || p->gate < 0)
		return err_set(err, ERR_protocol, "VM %s has no VMM that waits", in->vm.s);
	if (FAILPOINT(go_begin, err) < 0)
		return -1;
	if (jail_go(p->gate, p->pid, err) < 0) {
		procs_remove(&l->procs, in->vm);
		return -1;
	}
	fd_closep(&p->gate);
	return FAILPOINT(go_end, err);
}

int on_process_adopt(struct launch *l, struct launch_process_adopt_in *in,
	struct launch_process_adopt_out *out, struct err *err)
{
	struct proc *known = procs_find(&l->procs, in->vm);
	struct proc p = { .vm = in->vm,
		.pid = (pid_t)in->pid,
		.start_time = in->start_time,
		.pidfd = -1,
		.gate = -1,
		.log = VMM_LOG_INIT };
	uint64_t start_time;

	if (!known) {
		/* The pidfd first: what the number means is settled by then. */
		p.pidfd = (int)syscall(SYS_pidfd_open, p.pid, 0);
		if (p.pidfd < 0)
			return err_sys(
				err, ERR_not_found, errno, "the VMM of VM %s is gone", in->vm.s);
		if (proc_start_time(p.pid, &start_time, err) < 0) {
			fd_closep(&p.pidfd);
			return -1;
		}
		if (start_time != in->start_time || proc_dead(p.pidfd)) {
			fd_closep(&p.pidfd);
			return err_set(err, ERR_not_found, "the VMM of VM %s is gone", in->vm.s);
		}
		if (procs_add(&l->procs, &p, err) < 0) {
			fd_closep(&p.pidfd);
			return -1;
		}
		known = procs_find(&l->procs, in->vm);
	}
	out->pidfd = fcntl(known->pidfd, F_DUPFD_CLOEXEC, 0);
	if (out->pidfd < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot copy a pidfd");
	return 0;
}

int on_process_signal(struct launch *l, struct launch_process_signal_in *in,
	struct launch_process_signal_out *out, struct err *err)
{
	struct proc *p = procs_find(&l->procs, in->vm);

	/* A zombie takes signals, to no effect. */
	if (!p || proc_dead(p->pidfd))
		return err_set(err, ERR_not_running, "VM %s has no VMM", in->vm.s);
	if (syscall(SYS_pidfd_send_signal, p->pidfd, in->signo, NULL, 0) < 0)
		return err_sys(err, errno == ESRCH ? ERR_not_running : ERR_operation_failed, errno,
			"cannot signal the VMM of VM %s", in->vm.s);
	return 0;
}

int on_process_reap(struct launch *l, struct launch_process_reap_in *in,
	struct launch_process_reap_out *out, struct err *err)
{
	struct proc *p = procs_find(&l->procs, in->vm);

	if (!p) /* it was gone before anybody adopted it */
		return 0;
	if (!proc_dead(p->pidfd))
		return err_set(err, ERR_busy, "the VMM of VM %s lives", in->vm.s);
	proc_reap(p);
	out->known = p->reaped;
	out->status = p->status;
	return 0;
}

int on_uid_kill(struct launch *l, struct launch_uid_kill_in *in, struct launch_uid_kill_out *out,
	struct err *err)
{
	struct proc *p = procs_find(&l->procs, in->vm);

	if (!is_jail_uid(l, in->jail_uid))
		return err_set(err, ERR_protocol, "%u is no jail's uid", in->jail_uid);
	if (FAILPOINT(kill_begin, err) < 0)
		return -1;
	if (p) {
		syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
		poll(&(struct pollfd){ .fd = p->pidfd, .events = POLLIN }, 1, DEATH_MS);
		proc_reap(p);
	}
	if (uid_kill(in->jail_uid, err) < 0)
		return -1;
	procs_remove(&l->procs, in->vm);
	return FAILPOINT(kill_end, err);
}

int on_uid_empty(struct launch *l, struct launch_uid_empty_in *in, struct launch_uid_empty_out *out,
	struct err *err)
{
	if (!is_jail_uid(l, in->jail_uid))
		return err_set(err, ERR_protocol, "%u is no jail's uid", in->jail_uid);
	return uid_empty(in->jail_uid, in->dir, err);
}

int on_uid_check(struct launch *l, struct launch_uid_check_in *in, struct launch_uid_check_out *out,
	struct err *err)
{
	if (!is_jail_uid(l, in->jail_uid))
		return err_set(err, ERR_protocol, "%u is no jail's uid", in->jail_uid);
	return uid_alive(in->jail_uid, &out->alive, err);
}

int on_uid_next(struct launch *l, struct launch_uid_next_in *in, struct launch_uid_next_out *out,
	struct err *err)
{
	uid_t first = in->jail_uid, end = l->config->uid_base + l->config->uid_count;

	out->jail_uid = in->jail_uid;
	if (!is_jail_uid(l, first))
		return err_set(err, ERR_protocol, "%u is no jail's uid", first);
	return procfs_next_uid(first, end, &out->found, &out->jail_uid, err);
}

int on_limits_sweep(struct launch *l, struct launch_limits_sweep_in *in,
	struct launch_limits_sweep_out *out, struct err *err)
{
	return limits_sweep(l->limits, &out->removed, err);
}

int on_kvm_probe(struct launch *l, struct launch_kvm_probe_in *in, struct launch_kvm_probe_out *out,
	struct err *err)
{
	kvm_probe_finish(&l->kvm);
	out->kvm = l->kvm.state;
	out->probe_us = l->kvm.us;
	return 0;
}

int on_kvm_known(struct launch *l, struct launch_kvm_known_in *in, struct launch_kvm_known_out *out,
	struct err *err)
{
	kvm_probe_take(&l->kvm, in->probe_us);
	return 0;
}

int on_qemu_probe(struct launch *l, struct launch_qemu_probe_in *in,
	struct launch_qemu_probe_out *out, struct err *err)
{
	qemu_probe_finish(&l->qemu);
	out->have_qemu = l->qemu.binary.fd >= 0;
	out->version = l->qemu.version;
	out->problem = l->qemu.problem;
	return 0;
}

int on_limits_status(struct launch *l, struct launch_limits_status_in *in,
	struct launch_limits_status_out *out, struct err *err)
{
	out->limits = limits_kind(l->limits);
	str_copy(out->problem.s, sizeof(out->problem.s), limits_problem(l->limits));
	return 0;
}

int on_limits_place(struct launch *l, struct launch_limits_place_in *in,
	struct launch_limits_place_out *out, struct err *err)
{
	const struct proc *p = procs_find(&l->procs, in->vm);
	struct limits_vm vm = {
		.vm = in->vm, .vmm = in->vmm, .vcpus = in->vcpus, .memory = in->memory
	};

	if (!p || !p->child)
		return err_set(err, ERR_protocol, "VM %s was not spawned here", in->vm.s);
	vm.pid = p->pid;
	if (choose_kvm(l, in->accel, &vm.kvm, err) < 0)
		return -1;
	if (FAILPOINT(limits_begin, err) < 0 || limits_place(l->limits, &vm, err) < 0)
		return -1;
	return FAILPOINT(limits_end, err);
}

int on_limits_remove(struct launch *l, struct launch_limits_remove_in *in,
	struct launch_limits_remove_out *out, struct err *err)
{
	return limits_remove(l->limits, in->vm, err);
}

int on_firecracker_probe(struct launch *l, struct launch_firecracker_probe_in *in,
	struct launch_firecracker_probe_out *out, struct err *err)
{
	firecracker_probe_finish(&l->firecracker);
	out->have_firecracker = l->firecracker.binary.fd >= 0;
	out->version = l->firecracker.version;
	out->problem = l->firecracker.problem;
	return 0;
}

/* ---- copy-on-write disks ---- */

static int need_dm(struct launch *l, struct err *err)
{
	return l->dm.control >= 0 ? 0 : dm_open(l->config->uid_base, &l->dm, err);
}

int on_dm_attach(struct launch *l, struct launch_dm_attach_in *in, struct launch_dm_attach_out *out,
	struct err *err)
{
	if (need_dm(l, err) < 0)
		return -1;
	return dm_disk_attach(&l->dm, &in->vm, in->image, in->cow, in->size, &out->disk, err);
}

int on_dm_detach(struct launch *l, struct launch_dm_detach_in *in, struct launch_dm_detach_out *out,
	struct err *err)
{
	return need_dm(l, err) < 0 ? -1 : dm_disk_detach(&l->dm, &in->vm, err);
}

int on_dm_usage(struct launch *l, struct launch_dm_usage_in *in, struct launch_dm_usage_out *out,
	struct err *err)
{
	struct err why = ERR_INIT;

	if (need_dm(l, err) < 0)
		return -1;
	if (dm_disk_usage(&l->dm, &in->vm, &out->used, &out->total, &why) == 0)
		return 0;
	out->lost = why.code == ERR_bad_input;
	if (out->lost)
		return 0;
	*err = why;
	return -1;
}

int on_dm_next(struct launch *l, struct launch_dm_next_in *in, struct launch_dm_next_out *out,
	struct err *err)
{
	struct err none = ERR_INIT;
	int r;

	out->vm = in->after;
	if (need_dm(l, &none) < 0) /* no device-mapper, no disks */
		return 0;
	if (dm_disk_tidy(&l->dm, err) < 0)
		return -1;
	r = dm_disk_next(&l->dm, &in->after, &out->vm, err);
	out->found = r > 0;
	return r < 0 ? -1 : 0;
}

int on_dm_probe(struct launch *l, struct launch_dm_probe_in *in, struct launch_dm_probe_out *out,
	struct err *err)
{
	struct err why = ERR_INIT;

	out->have_dm = need_dm(l, &why) == 0 && dm_disk_check(&l->dm, &why) == 0;
	return 0;
}

static int start(struct launch *l, struct err *err)
{
	/* Namespaces and mounts, device nodes and files for others, other uids, signals. */
	static const unsigned capabilities[] = { CAP_SYS_ADMIN, CAP_MKNOD, CAP_CHOWN, CAP_SETUID,
		CAP_SETGID, CAP_SETPCAP, CAP_KILL };
	/* Landlock forbids mounts, and VMMs inherit seccomp: a deny-list alone. */
	const struct confine c = { .profile = CONFINE_launch,
		.mode = l->config->mode,
		.capabilities = capabilities,
		.n_capabilities = ARRAY_SIZE(capabilities) };
	/* The last uid of the range is no VM's. */
	uid_t spare = l->config->uid_base + l->config->uid_count - 1;

	/* Before the capabilities go: nobody may write to the root of cgroups without. */
	if (limits_open(&l->limits, err) < 0 || procfs_begin(spare, err) < 0 ||
		confine_apply(&c, err) < 0)
		return -1;
	if (kvm_probe_start(&l->kvm, err) < 0)
		return -1;
	qemu_probe_start(&l->qemu, l->config->qemu, spare);
	firecracker_probe_start(&l->firecracker, l->config->firecracker, spare);
	return 0;
}

static void watch(void *ctx, const struct message *m, uint64_t op)
{
	watchdog_begin(WATCHDOG_LAUNCH);
}

int launch_main(int socket, const struct netd_config *config)
{
	struct launch l = { .config = config,
		.kvm = { .pipe = -1 },
		.qemu = VMM_PROBE_INIT,
		.firecracker = VMM_PROBE_INIT,
		.dm = { .control = -1 } };
	struct err err = ERR_INIT;
	struct ipc *ch = NULL;
	int r = -1;

	if (ipc_open(socket, &launch_protocol, &ch, &err) == 0 && start(&l, &err) == 0)
		while ((r = ipc_serve(ch, launch_handlers, &l, watch, &err)) > 0)
			watchdog_end();
	if (r < 0)
		log_error("%s", err.msg);
	kvm_probe_cancel(&l.kvm);
	vmm_probe_cancel(&l.qemu);
	vmm_probe_cancel(&l.firecracker);
	procs_finish(&l.procs);
	limits_close(l.limits);
	dm_close(&l.dm);
	ipc_close(ch);
	return r < 0;
}
