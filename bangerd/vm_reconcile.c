/* SPDX-License-Identifier: GPL-2.0-or-later */
/* After a restart: what the rows say, and what is there. One log line for each VM that changes. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "bangerd/call.h"
#include "bangerd/host.h"
#include "bangerd/store_host.h"
#include "bangerd/vm.h"
#include "bangerd/vm_delete.h"
#include "bangerd/vm_files.h"
#include "bangerd/vm_guest.h"
#include "bangerd/vm_lost.h"
#include "bangerd/vm_set.h"
#include "bangerd/vm_stop.h"
#include "bangerd/vm_watch.h"
#include "bangerd/work_disk.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/proto_netd.h"
#include "common/str.h"

/* For a guest that was being started when the daemon ended to say whether it got ready; for a VMM
 * to say how its guest is. */
#define HELLO_MS 2000

/* What was done, for the last line of it. */
struct tally {
	unsigned taken_over, stopped, removed, released, lost, failed;
	bool rebooted;
};

static int read_boot_id(struct boot_id *ret, struct err *err)
{
	_cleanup_fd_ int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	struct boot_id id = { "" };

	if (fd < 0 || fd_read_full(fd, id.s, sizeof(id.s) - 1) != (ssize_t)sizeof(id.s) - 1)
		return err_sys(err, ERR_operation_failed, errno, "cannot read the boot id");
	*ret = id;
	return 0;
}

static struct vm *find_id(struct vms *vms, const vm_id *id)
{
	for (struct vm *vm = vms->first; vm; vm = vm->next)
		if (str_eq(vm->row.id.s, id->s))
			return vm;
	return NULL;
}

static int release(struct vms *vms, const vm_id *id, struct err *err)
{
	const struct netd_vm_release_in in = { .vm = *id };
	struct netd_vm_release_out out;

	return netd_vm_release(vms->services->netd, &in, &out, err);
}

static void connect_console(struct vm *vm)
{
	struct console *console;
	struct err err = ERR_INIT;
	int out, in;

	if (vm_console_open(vm, &console, &err) < 0 ||
		vm->vmm.ops->console(&vm->vmm, &out, &in, &err) < 0 ||
		console_connect(console, out, in, &err) < 0)
		log_warning("VM %s: no console: %s", vm->row.id.s, err.msg);
}

/* Whether the guest of a start that was cut off got as far as ready. */
static bool is_ready(struct vm *vm)
{
	const struct wait w = wait_ms(-1, HELLO_MS);
	struct agent_hello_out hello;
	struct err err = ERR_INIT;
	int fd;

	if (vm->vmm.ops->control(&vm->vmm, &w, &fd, &err) < 0 ||
		agent_attach(vm->agent, fd, &w, &hello, &err) < 0)
		return false;
	vm->row.boot_id = hello.boot_id;
	return hello.ready;
}

/* Whether it runs or is paused, as its VMM says; as its row says, when that does not answer. */
static enum vm_state state_of(struct vm *vm)
{
	const struct wait w = wait_ms(-1, HELLO_MS);
	struct err err = ERR_INIT;
	bool paused = vm->row.state == VM_PAUSED;

	if (vm->vmm.ops->paused(&vm->vmm, &w, &paused, &err) < 0)
		log_warning("VM %s: %s", vm->row.id.s, err.msg);
	return paused ? VM_PAUSED : VM_RUNNING;
}

static int keep_files(struct vm *vm, struct err *err)
{
	_cleanup_fd_ int dir = -1;

	if (vm_dir_open(vm->vms, &vm->row.id, &dir, err) < 0 || vm_dir_sync(vm->vms, dir, err) < 0)
		return -1;
	vm_lost_note_made(vm, true);
	return 0;
}

/* A living VMM of a VM that may run: take it over. false: it is to be ended. */
static bool adopt(struct vm *vm)
{
	struct err err = ERR_INIT;
	enum vm_state state;

	if (vmm_adopt(vm->vms->services->netd, &vm->row.id, &vm->vmm, &err) < 0) {
		log_warning("VM %s: cannot be taken over: %s", vm->row.id.s, err.msg);
		return false;
	}
	if (vm->row.state == VM_STARTING && !is_ready(vm)) {
		log_notice("VM %s '%s': its start was cut off", vm->row.id.s, vm->row.name.s);
		return false;
	}
	/* One that was being changed when the daemon ended. */
	if (vm_nat_apply(vm, &err) < 0)
		log_warning("VM %s: its NAT is not what it should be: %s", vm->row.id.s, err.msg);
	connect_console(vm);
	state = state_of(vm);
	/* What it has by now is on the disk before its row says so. */
	if (vm->row.state == VM_STARTING && keep_files(vm, &err) < 0) {
		log_error("VM %s: %s", vm->row.id.s, err.msg);
		return false;
	}
	/* Nobody was told that it is paused: its VMM did it itself, since the host was full, or the
	 * daemon ended in the middle. It goes on when there is room (disk_watch.h). */
	if (state == VM_PAUSED && vm->row.state == VM_RUNNING)
		str_copy(vm->row.paused_why.s, sizeof(vm->row.paused_why.s),
			"it stood still when the daemon came back");
	if ((vm->row.state != state && vm_save(vm, state, "", &err) < 0) ||
		vm_watch_end(vm, &err) < 0) {
		log_error("VM %s: %s", vm->row.id.s, err.msg);
		return false;
	}
	log_notice(
		"VM %s '%s' is %s: taken over", vm->row.id.s, vm->row.name.s, vm_state_name(state));
	return true;
}

/* One row of netd's ledger. What is not taken over is taken away. */
static int settle_ledger(
	struct vms *vms, const struct netd_vm_next_out *row, struct tally *t, struct err *err)
{
	struct vm *vm = find_id(vms, &row->vm);

	if (vm && row->alive && !vm->row.auto_remove &&
		(vm->row.state == VM_RUNNING || vm->row.state == VM_STARTING ||
			vm->row.state == VM_STOPPING || vm->row.state == VM_PAUSED) &&
		adopt(vm)) {
		t->taken_over++;
		return 0;
	}
	t->released++;
	if (vm)
		log_notice("VM %s '%s': what it had on the host is taken away%s", vm->row.id.s,
			vm->row.name.s, row->alive ? ", its VMM is ended" : "");
	else
		log_notice("VM %s of uid %u is no more: taken off the host", row->vm.s,
			(unsigned)row->owner);
	return vm ? vm_release_host(vm, err) : release(vms, &row->vm, err);
}

static int walk_ledger(struct vms *vms, struct tally *t, struct err *err)
{
	struct netd_vm_next_in in;
	struct netd_vm_next_out row;

	if (!vm_id_parse("000000000000", &in.after))
		return err_set(err, ERR_operation_failed, "the first id is none");
	for (;;) {
		struct err why = ERR_INIT;

		if (netd_vm_next(vms->services->netd, &in, &row, err) < 0)
			return -1;
		if (!row.found)
			return 0;
		/* One that cannot be taken away now does not keep the others from being served. */
		if (settle_ledger(vms, &row, t, &why) < 0) {
			log_error("VM %s: %s", row.vm.s, why.msg);
			t->failed++;
		}
		in.after = row.vm;
	}
}

/* What its start has not finished goes; without a directory there is nothing. */
static void sweep_files(struct vm *vm)
{
	_cleanup_fd_ int dir = -1;
	struct err err = ERR_INIT;

	if (vm_dir_open(vm->vms, &vm->row.id, &dir, &err) == 0)
		work_disk_sweep(dir, &vm->row.id);
}

/* A VM that does not run. */
static int settle_row(struct vm *vm, struct tally *t, struct err *err)
{
	const char *why =
		t->rebooted ? "the host was restarted" : "it ended while the daemon was away";
	enum vm_state state = vm->row.state;

	if (vm->row.auto_remove || state == VM_CREATING || state == VM_DELETING) {
		log_notice("VM %s '%s': removed (%s)", vm->row.id.s, vm->row.name.s,
			vm->row.auto_remove    ? "its client is gone"
			: state == VM_CREATING ? "its creation was cut off"
					       : "its deletion was cut off");
		t->removed++;
		return vm_delete_held(vm, err);
	}
	if (state == VM_STOPPED)
		return 0;
	/* A start that did not get far enough to be anything: it is stopped as it was. */
	if (state == VM_STARTING)
		sweep_files(vm);
	if (state == VM_STARTING && !t->rebooted)
		why = "its start was cut off";
	log_notice("VM %s '%s' is stopped: %s", vm->row.id.s, vm->row.name.s, why);
	t->stopped++;
	return vm_save(vm, VM_STOPPED, why, err);
}

static void settle_rows(struct vms *vms, struct tally *t)
{
	struct vm *next;

	for (struct vm *vm = vms->first; vm; vm = next) {
		struct err why = ERR_INIT;

		next = vm->next;
		if (vm->vmm.ops || settle_row(vm, t, &why) == 0)
			continue;
		log_error("VM %s: %s", vm->row.id.s, why.msg);
		t->failed++;
	}
}

/* What VMs lost while nobody looked, whether they run or not. */
static void look_at_files(struct vms *vms, struct tally *t)
{
	for (struct vm *vm = vms->first; vm; vm = vm->next) {
		struct err why = ERR_INIT;

		if (vm_lost_settle(vm, &why) == 0 && vm_lost_look(vm, &why) == 0)
			continue;
		if (why.code == ERR_bad_input) {
			t->lost++;
			continue;
		}
		log_error("VM %s: %s", vm->row.id.s, why.msg);
		t->failed++;
	}
}

static void sum_up(struct vms *vms, const struct tally *t)
{
	unsigned all = 0, running = 0, swept = vms->services->host->status.swept;

	vms_count(vms, 0, &all, &running);
	str_format(vms->reconciled, sizeof(vms->reconciled),
		"%s%u VMs: %u taken over, %u stopped, %u removed; off the host: %u of VMs, %u that "
		"nothing knew; %u directories without a VM; %u VMs lost a disk; %u failed",
		t->rebooted ? "after a restart of the host: " : "", all, t->taken_over, t->stopped,
		t->removed, t->released, swept, vms->strays, t->lost, t->failed);
	log_notice("reconciled: %s", vms->reconciled);
}

int vms_reconcile(struct vms *vms, struct err *err)
{
	struct store *store = vms->services->store;
	struct boot_id last, now;
	struct tally t = { 0 };

	if (store_host_boot(store, &last, err) < 0 || read_boot_id(&now, err) < 0)
		return -1;
	t.rebooted = last.s[0] && !str_eq(last.s, now.s);
	if (walk_ledger(vms, &t, err) < 0)
		return -1;
	settle_rows(vms, &t);
	look_at_files(vms, &t);
	/* The last of it: cut off before, it is a restart of the host still. */
	if (!str_eq(last.s, now.s) && store_host_set_boot(store, &now, err) < 0)
		return -1;
	vms->strays = vm_dirs_sweep(vms);
	sum_up(vms, &t);
	return 0;
}
