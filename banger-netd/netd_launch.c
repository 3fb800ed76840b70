/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>

#include "banger-netd/fd_check.h"
#include "banger-netd/names.h"
#include "banger-netd/netd.h"
#include "banger-netd/rundir.h"
#include "banger-netd/tap.h"
#include "common/failpoint.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"

/* A VMM on its way. */
struct start {
	struct ledger_row row; /* as it is to be */
	int rundir, pidfd;
};

static void start_finish(struct start *s)
{
	fd_closep(&s->rundir);
	fd_closep(&s->pidfd);
	fd_closep(&s->row.inside);
}

static int check_files(const struct netd *n, const struct start *s, int kernel, int initramfs,
	int disk, int work, struct err *err)
{
	gid_t group = n->config.group;

	if (fd_check_boot_file(kernel, "kernel", group, err) < 0 ||
		fd_check_boot_file(initramfs, "initramfs", group, err) < 0)
		return -1;
	if (fd_check_disk(disk, group, s->row.disk, err) < 0)
		return -1;
	return work < 0 ? 0 : fd_check_work(work, disk, group, err);
}

/* The ledger allows it. The row's TAP stays the ledger's. */
static int start_begin(struct netd *n, enum netd_message m, enum vmm_kind vmm, vm_id vm,
	struct start *ret, struct err *err)
{
	struct ledger_row *row;

	if (netd_gate(n, m, vm, &row, err) < 0)
		return -1;
	if (row->vmm != vmm)
		return err_set(err, ERR_protocol, "VM %s was to be run by %s", vm.s,
			vmm_kind_to_name(row->vmm));
	ret->row = *row;
	return 0;
}

static int start_rundir(struct netd *n, struct start *s, struct err *err)
{
	if (FAILPOINT(launch_begin, err) < 0 || netd_rundir_remove(n, s->row.vm, err) < 0 ||
		rundir_create(n->rundirs, s->row.vm, n->config.group, &s->rundir, err) < 0)
		return -1;
	return FAILPOINT(launch_rundir, err);
}

/* The child waits: put it under its limits, and let it become the VMM. */
static int go(struct netd *n, const struct start *s, ranged_vcpus vcpus, ranged_mib memory,
	enum accel accel, struct err *err)
{
	const struct launch_limits_place_in limits_in = {
		.vm = s->row.vm, .vcpus = vcpus, .memory = memory, .vmm = s->row.vmm, .accel = accel
	};
	const struct launch_process_go_in go_in = { .vm = s->row.vm };
	struct launch_limits_place_out limits_out;
	struct launch_process_go_out go_out;

	if (launch_limits_place(n->launch, &limits_in, &limits_out, err) < 0 ||
		FAILPOINT(launch_limits, err) < 0 ||
		launch_process_go(n->launch, &go_in, &go_out, err) < 0)
		return -1;
	return FAILPOINT(launch_go, err);
}

/* Nothing of it is left, or what is left is the next release's. */
static void start_undo(struct netd *n, const struct start *s)
{
	struct err undo = ERR_INIT;

	if (netd_kill_uid(n, s->row.vm, s->row.jail_uid, &undo) < 0 ||
		netd_rundir_remove(n, s->row.vm, &undo) < 0)
		log_warning("%s", undo.msg);
}

/* It runs; the row says so. Takes the row's fds. */
static int start_end(struct netd *n, struct start *s, struct err *err)
{
	s->row.state = ledger_state_running;
	if (ledger_put(n->ledger, &s->row, err) < 0)
		return -1;
	s->row.inside = -1;
	log_info("VM %s runs: %s, pid %d, uid %u", s->row.vm.s, vmm_kind_to_name(s->row.vmm),
		s->row.pid, s->row.jail_uid);
	return 0;
}

static int spawn_qemu(
	struct netd *n, const struct netd_qemu_launch_in *in, struct start *s, struct err *err)
{
	const struct launch_qemu_spawn_in spawn_in = {
		.vm = in->vm,
		.jail_uid = s->row.jail_uid,
		.vcpus = in->vcpus,
		.memory = in->memory,
		.accel = in->accel,
		.tsc_khz = host_tsc_khz(&n->tsc),
		.mac = s->row.mac,
		.kernel = in->kernel,
		.initramfs = in->initramfs,
		.disk = in->disk,
		.work = in->work,
		.tap = s->row.tap,
		.rundir = s->rundir,
	};
	struct launch_qemu_spawn_out out;

	if (launch_qemu_spawn(n->launch, &spawn_in, &out, err) < 0)
		return -1;
	s->pidfd = out.pidfd;
	s->row.pid = (pid_t)out.pid;
	s->row.start_time = out.start_time;
	s->row.attached = true;
	s->row.tap = -1; /* the VMM has it now, alone */
	return FAILPOINT(launch_spawned, err);
}

int on_qemu_launch(struct netd *n, struct netd_qemu_launch_in *in, struct netd_qemu_launch_out *out,
	struct err *err)
{
	_cleanup_(start_finish) struct start s = { .rundir = -1, .pidfd = -1, .row.inside = -1 };

	if (start_begin(n, netd_msg_qemu_launch, vmm_kind_qemu, in->vm, &s, err) < 0 ||
		check_files(n, &s, in->kernel, in->initramfs, in->disk, in->work, err) < 0)
		return -1;
	if (s.row.tap < 0)
		return err_set(err, ERR_operation_failed,
			"the TAP of VM %s went with an earlier banger-netd: release it", in->vm.s);
	if (start_rundir(n, &s, err) < 0)
		return -1;
	if (spawn_qemu(n, in, &s, err) < 0 ||
		go(n, &s, in->vcpus, in->memory, in->accel, err) < 0 || start_end(n, &s, err) < 0) {
		start_undo(n, &s);
		return -1;
	}
	if (FAILPOINT(launch_row, err) < 0)
		return -1;
	out->pid = (uint32_t)s.row.pid;
	out->start_time = s.row.start_time;
	out->pidfd = TAKE_FD(s.pidfd);
	out->rundir = TAKE_FD(s.rundir);
	out->jail_uid = s.row.jail_uid;
	return 0;
}

static int spawn_firecracker(struct netd *n, const struct netd_firecracker_launch_in *in,
	struct start *s, struct err *err)
{
	const struct launch_firecracker_spawn_in spawn_in = {
		.vm = in->vm,
		.jail_uid = s->row.jail_uid,
		.memory = in->memory,
		.kernel = in->kernel,
		.initramfs = in->initramfs,
		.disk = in->disk,
		.work = in->work,
		.rundir = s->rundir,
	};
	struct launch_firecracker_spawn_out out;
	_cleanup_fd_ int tun = -1;

	if (rundir_vmm_create(s->rundir, n->config.group, err) < 0 ||
		launch_firecracker_spawn(n->launch, &spawn_in, &out, err) < 0)
		return -1;
	tun = out.tun;
	s->pidfd = out.pidfd;
	s->row.inside = out.netlink;
	s->row.pid = (pid_t)out.pid;
	s->row.start_time = out.start_time;
	s->row.attached = false;
	if (FAILPOINT(launch_spawned, err) < 0 ||
		tap_make(tun, name_tap(in->vm).s, s->row.jail_uid, err) < 0)
		return -1;
	return FAILPOINT(launch_tap, err);
}

int on_firecracker_launch(struct netd *n, struct netd_firecracker_launch_in *in,
	struct netd_firecracker_launch_out *out, struct err *err)
{
	_cleanup_(start_finish) struct start s = { .rundir = -1, .pidfd = -1, .row.inside = -1 };

	if (start_begin(n, netd_msg_firecracker_launch, vmm_kind_firecracker, in->vm, &s, err) <
			0 ||
		check_files(n, &s, in->kernel, in->initramfs, in->disk, in->work, err) < 0 ||
		start_rundir(n, &s, err) < 0)
		return -1;
	if (spawn_firecracker(n, in, &s, err) < 0 ||
		go(n, &s, in->vcpus, in->memory, accel_auto, err) < 0 ||
		start_end(n, &s, err) < 0) {
		start_undo(n, &s);
		return -1;
	}
	if (FAILPOINT(launch_row, err) < 0)
		return -1;
	out->pid = (uint32_t)s.row.pid;
	out->start_time = s.row.start_time;
	out->pidfd = TAKE_FD(s.pidfd);
	out->rundir = TAKE_FD(s.rundir);
	out->jail_uid = s.row.jail_uid;
	return 0;
}
