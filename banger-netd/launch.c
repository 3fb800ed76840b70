/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "banger-netd/kvm_probe.h"
#include "banger-netd/launch_qemu.h"
#include "banger-netd/limits.h"
#include "banger-netd/procs.h"
#include "banger-netd/qemu_probe.h"
#include "banger-netd/uid_kill.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/proto_launch.h"
#include "common/str.h"

#define DEATH_MS 10000

struct launch {
	const struct netd_config *config;
	struct procs procs;
	struct kvm_probe kvm;
	struct qemu_probe qemu;
	struct limits_host *limits;
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

/* The VMM is in no table: it must not stay. */
static void end_stray(struct proc *p)
{
	syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
	poll(&(struct pollfd){ .fd = p->pidfd, .events = POLLIN }, 1, DEATH_MS);
	proc_reap(p);
	fd_closep(&p->pidfd);
	vmm_log_finish(&p->log);
}

int on_qemu_spawn(struct launch *l, struct launch_qemu_spawn_in *in,
	struct launch_qemu_spawn_out *out, struct err *err)
{
	struct proc p = { .vm = in->vm, .pidfd = -1, .child = true, .log = VMM_LOG_INIT };
	bool kvm = false;

	if (!is_jail_uid(l, in->jail_uid))
		return err_set(err, ERR_protocol, "%u is no jail's uid", in->jail_uid);
	if (procs_find(&l->procs, in->vm))
		return err_set(err, ERR_protocol, "VM %s has a VMM already", in->vm.s);
	if (l->qemu.binary < 0)
		return err_set(err, ERR_unavailable, "%s", l->qemu.problem.s);
	if (choose_kvm(l, in->accel, &kvm, err) < 0)
		return -1;
	if (launch_qemu(l->config, l->qemu.binary, in, kvm, &p, err) < 0)
		return -1;
	out->pid = (uint32_t)p.pid;
	out->start_time = p.start_time;
	out->pidfd = fcntl(p.pidfd, F_DUPFD_CLOEXEC, 0);
	if (out->pidfd < 0) {
		err_sys(err, ERR_operation_failed, errno, "cannot copy a pidfd");
		end_stray(&p);
		return -1;
	}
	if (procs_add(&l->procs, &p, err) < 0) {
		end_stray(&p);
		return -1;
	}
	return 0;
}

int on_process_adopt(struct launch *l, struct launch_process_adopt_in *in,
	struct launch_process_adopt_out *out, struct err *err)
{
	struct proc *known = procs_find(&l->procs, in->vm);
	struct proc p = { .vm = in->vm,
		.pid = (pid_t)in->pid,
		.start_time = in->start_time,
		.pidfd = -1,
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
	if (p) {
		syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
		poll(&(struct pollfd){ .fd = p->pidfd, .events = POLLIN }, 1, DEATH_MS);
		proc_reap(p);
	}
	if (uid_kill(in->jail_uid, err) < 0)
		return -1;
	procs_remove(&l->procs, in->vm);
	return 0;
}

int on_uid_check(struct launch *l, struct launch_uid_check_in *in, struct launch_uid_check_out *out,
	struct err *err)
{
	if (!is_jail_uid(l, in->jail_uid))
		return err_set(err, ERR_protocol, "%u is no jail's uid", in->jail_uid);
	return uid_alive(in->jail_uid, &out->alive, err);
}

int on_kvm_probe(struct launch *l, struct launch_kvm_probe_in *in, struct launch_kvm_probe_out *out,
	struct err *err)
{
	kvm_probe_finish(&l->kvm);
	out->kvm = l->kvm.state;
	out->probe_us = l->kvm.us;
	return 0;
}

int on_qemu_probe(struct launch *l, struct launch_qemu_probe_in *in,
	struct launch_qemu_probe_out *out, struct err *err)
{
	qemu_probe_finish(&l->qemu);
	out->have_qemu = l->qemu.binary >= 0;
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
	return limits_place(l->limits, &vm, err);
}

int on_limits_remove(struct launch *l, struct launch_limits_remove_in *in,
	struct launch_limits_remove_out *out, struct err *err)
{
	return limits_remove(l->limits, in->vm, err);
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

	if (confine_apply(&c, err) < 0)
		return -1;
	if (limits_open(&l->limits, err) < 0 || kvm_probe_start(&l->kvm, err) < 0)
		return -1;
	/* The last uid of the range is no VM's. */
	qemu_probe_start(&l->qemu, l->config->qemu, l->config->uid_base + l->config->uid_count - 1);
	return 0;
}

int launch_main(int socket, const struct netd_config *config)
{
	struct launch l = {
		.config = config, .kvm = { .pipe = -1 }, .qemu = { .binary = -1, .pipe = -1 }
	};
	struct err err = ERR_INIT;
	struct ipc *ch = NULL;
	int r = -1;

	if (ipc_open(socket, &launch_protocol, &ch, &err) == 0 && start(&l, &err) == 0)
		while ((r = ipc_serve(ch, launch_handlers, &l, NULL, &err)) > 0)
			;
	if (r < 0)
		log_error("%s", err.msg);
	kvm_probe_cancel(&l.kvm);
	qemu_probe_cancel(&l.qemu);
	procs_finish(&l.procs);
	limits_close(l.limits);
	ipc_close(ch);
	return r < 0;
}
