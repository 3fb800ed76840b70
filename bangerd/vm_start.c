/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vm_start.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "bangerd/call.h"
#include "bangerd/disk.h"
#include "bangerd/disk_watch.h"
#include "bangerd/host.h"
#include "bangerd/images.h"
#include "bangerd/kernels.h"
#include "bangerd/vm_check.h"
#include "bangerd/vm_entry.h"
#include "bangerd/vm_files.h"
#include "bangerd/vm_lost.h"
#include "bangerd/vm_stop.h"
#include "bangerd/vm_watch.h"
#include "bangerd/work_disk.h"
#include "common/disk_sizes.h"
#include "common/failpoint.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/proto_netd.h"
#include "common/settings.h"
#include "common/str.h"

/* One start at work. */
struct start {
	struct vm *vm;
	struct vms *vms;
	const struct vm_start_how *how;
	int cancel_fd;
	const struct err *err; /* why it failed, for what undoes */
	bool keep;	       /* the VM stays although the start failed */
	struct wait guest;     /* until the guest must be ready */

	struct image_row image;
	const struct disk_ops *disk_ops;
	int image_fd; /* -1 when its disk does without */
	struct kernel_files kernel;
	struct vmm_choice choice;
	const struct vmm_ops *ops;
	int dir_fd;
	struct disk disk;
	struct work_disk work;
	struct netd_tap_create_out net;
};

/* Its root disk is made of its image now. */
static bool makes_disk(const struct start *s)
{
	return s->how->make_disk || s->vm->row.remake;
}

static struct ipc *netd(const struct start *s)
{
	return s->vms->services->netd;
}

/* ---- begin: the row says that it is being started ---- */

static int do_begin(void *ctx, struct err *err)
{
	struct start *s = ctx;

	return vm_save(s->vm, VM_STARTING, "", err);
}

static void undo_begin(void *ctx)
{
	struct start *s = ctx;
	struct err err = ERR_INIT;

	if (vm_save(s->vm, VM_STOPPED, s->err->code == ERR_cancelled ? "" : s->err->msg, &err) < 0)
		log_error("VM %s: %s", s->vm->row.id.s, err.msg);
}

/* ---- check: all that can be known before anything is made ---- */

static int open_image(struct start *s, struct err *err)
{
	if (s->how->make_disk && s->how->image_fd >= 0) {
		s->image_fd = fcntl(s->how->image_fd, F_DUPFD_CLOEXEC, 0);
		return s->image_fd < 0
			       ? err_sys(err, ERR_operation_failed, errno, "cannot keep a file")
			       : 0;
	}
	if (images_open(s->vms->services->images, &s->image.id, &s->image_fd, err) == 0)
		return 0;
	return s->how->make_disk ? -1 : vm_lost_say(s->vm, err);
}

static int open_kernel(struct start *s, struct err *err)
{
	const char *name = s->vm->row.name.s;
	char what[ERR_MSG_MAX / 2];

	if (kernels_open(s->vms->services->kernels, &s->vm->row.kernel_id, s->cancel_fd, &s->kernel,
		    err) == 0)
		return 0;
	if (s->how->make_disk || (err->sys != ENOENT && err->code != ERR_bad_input))
		return -1;
	str_format(what, sizeof(what), "%.250s", err->msg);
	return err_set(err, err->code,
		"VM '%s' cannot start: %s; or give the VM another kernel: banger vm set --kernel "
		"KERNEL %s",
		name, what, name);
}

static int look_at_disks(const struct start *s, struct err *err)
{
	if (s->how->make_disk || vm_lost_look(s->vm, err) == 0)
		return 0;
	return err->code == ERR_bad_input ? vm_lost_say(s->vm, err) : -1;
}

static int do_check(void *ctx, struct err *err)
{
	struct start *s = ctx;
	const struct services *services = s->vms->services;
	const struct vm_row *row = &s->vm->row;

	if (!s->how->no_start && disk_watch_may_run(s->vm, err) < 0)
		return -1;
	disk_watch_renew(s->vm);
	if (store_image_get(services->store, STORE_READ, &row->image_id, &s->image, err) < 0)
		return -1;
	s->disk_ops = disk_ops_of(row->disk);
	if (look_at_disks(s, err) < 0 ||
		((makes_disk(s) || s->disk_ops->on_image) && open_image(s, err) < 0) ||
		(!s->how->no_start && open_kernel(s, err) < 0))
		return -1;
	if (vm_check(s->vms, row, makes_disk(s) ? s->image_fd : -1, &s->choice, err) < 0)
		return -1;
	s->ops = vmm_ops_of(s->choice.kind);
	if (s->choice.warn)
		log_warning("VM %s: %s", row->id.s, s->choice.why.s);
	pthread_mutex_lock(&s->vms->lock);
	s->vm->row.vmm_why = s->choice.why;
	pthread_mutex_unlock(&s->vms->lock);
	return 0;
}

/* ---- reserve: banger-netd's ledger knows the VM from here on ---- */

static int do_reserve(void *ctx, struct err *err)
{
	struct start *s = ctx;
	const struct netd_vm_reserve_in in = { .vm = s->vm->row.id, .owner = s->vm->row.owner };
	struct netd_vm_reserve_out out;

	/* Its last end may have left it there. */
	if (s->vm->unreleased && vm_release_host(s->vm, err) < 0)
		return -1;
	return netd_vm_reserve(netd(s), &in, &out, err);
}

static void undo_reserve(void *ctx)
{
	struct start *s = ctx;
	struct err err = ERR_INIT;

	/* The TAP, the jail and the VMM go with the row. */
	vm_release_host(s->vm, &err);
}

/* ---- disk: its head, which is all that the booting kernel looks at ---- */

static int open_dir(struct start *s, struct disk_place *place, struct err *err)
{
	struct err why = ERR_INIT;
	int r = (s->how->make_disk ? vm_dir_make : vm_dir_open)(
		s->vms, &place->vm, &s->dir_fd, &why);

	/* With the disk, which is to be made anew, all of it may be gone. */
	if (r < 0 && why.sys == ENOENT && s->vm->row.remake)
		r = vm_dir_make(s->vms, &place->vm, &s->dir_fd, &why);
	place->dirfd = s->dir_fd;
	if (r == 0)
		return 0;
	*err = why;
	return -1;
}

/* The one of an earlier image is gone first: a crash in between leaves it to be made. */
static int make_disk(struct start *s, const struct disk_place *place, struct err *err)
{
	if (!s->how->make_disk &&
		(s->disk_ops->remove(place, err) < 0 || FAILPOINT(disk_removed, err) < 0))
		return -1;
	return s->disk_ops->make(place, TAKE_FD(s->image_fd), &s->disk, err);
}

static int do_disk(void *ctx, struct err *err)
{
	struct start *s = ctx;
	struct console *console;
	const struct vm_row *row = &s->vm->row;
	struct disk_place place = { .vm = row->id,
		.dirfd = -1,
		.size = row->disk_size,
		.least = s->image.size,
		.made = row->disk_made == MADE_UNKNOWN ? 0 : row->disk_made,
		.netd = netd(s) };

	if (open_dir(s, &place, err) < 0)
		return -1;
	if (!makes_disk(s))
		s->disk.image = TAKE_FD(s->image_fd);
	else if (make_disk(s, &place, err) < 0)
		return -1;
	if (!s->how->no_start && s->disk_ops->attach(&place, &s->disk, err) < 0)
		return err->code == ERR_bad_input && !s->how->make_disk ? vm_lost_say(s->vm, err)
									: -1;
	return vm_console_open(s->vm, &console, err);
}

static void undo_disk(void *ctx)
{
	struct start *s = ctx;
	struct err err = ERR_INIT;

	disk_close(&s->disk);
	if (!s->how->make_disk || s->keep)
		return;
	if (vm_dir_remove(s->vms, &s->vm->row.id, &err) < 0)
		log_error("%s", err.msg);
}

/* ---- work: the second disk, where the VM has one ---- */

static int do_work(void *ctx, struct err *err)
{
	struct start *s = ctx;
	const struct vm_row *row = &s->vm->row;

	const struct disk_place place = {
		.vm = row->id,
		.dirfd = s->dir_fd,
		.work = true,
		.size = row->work_size,
		.made = row->work_made == MADE_UNKNOWN ? WORK_DISK_MIN : row->work_made,
	};

	return row->work_size == 0 ? 0 : work_disk_open(&place, &s->work, err);
}

static void undo_work(void *ctx)
{
	struct start *s = ctx;

	/* One that is whole stays: its guest may have written to it. */
	if (s->work.fresh)
		work_disk_sweep(s->dir_fd, &s->vm->row.id);
	work_disk_close(&s->work);
}

/* ---- network ---- */

static int do_network(void *ctx, struct err *err)
{
	struct start *s = ctx;
	const struct vm_row *row = &s->vm->row;
	const struct netd_tap_create_in in = {
		.vm = row->id,
		.subnet = row->subnet,
		.host = row->host,
		.mac = row->mac,
		.nat = row->nat,
		.vmm = s->choice.kind,
	};

	return netd_tap_create(netd(s), &in, &s->net, err);
}

/* ---- launch: the VMM, then its guest ---- */

/* Between the end of a VMM's sockets and its own. */
#define END_MS 500

/* A VMM that is dead says more than the socket that closed. */
static int explain(struct start *s, struct err *err)
{
	struct pollfd p = { .fd = s->vm->vmm.pidfd, .events = POLLIN };
	bool closed = err->code == ERR_unavailable || err->sys == ECONNRESET || err->sys == EPIPE;
	char why[ERR_MSG_MAX];

	if (err->code == ERR_cancelled)
		return -1;
	if (poll(&p, 1, closed ? END_MS : 0) <= 0)
		return err_wrap(err, "VM '%s'", s->vm->row.name.s);
	vm_death(s->vm, !s->how->make_disk, why, sizeof(why));
	return err_set(err, ERR_operation_failed, "VM '%s' ended before it was ready: %s",
		s->vm->row.name.s, why);
}

static int do_launch(void *ctx, struct err *err)
{
	struct start *s = ctx;
	const struct vm_row *row = &s->vm->row;
	const struct settings *settings = s->vms->services->settings;
	const struct vmm_machine machine = {
		.vm = row->id,
		.vcpus = row->vcpus,
		.memory_mib = row->memory_mib,
		.accel = s->choice.accel,
		.mac = row->mac,
		.kernel = s->kernel.vmlinux,
		.initramfs = s->kernel.initramfs,
		.disk = s->disk.fd,
		.work = s->work.fd,
		.firecracker_version = s->vms->services->host->status.firecracker_version.s,
		.disk_bandwidth = settings->vmm_disk_bandwidth,
		.disk_ops = settings->vmm_disk_ops,
		.net_bandwidth = settings->vmm_net_bandwidth,
		.console_rate = settings->vmm_console_rate,
	};
	struct vmm vmm;
	int out, in;

	if (s->ops->launch(netd(s), &machine, &vmm, err) < 0)
		return -1;
	pthread_mutex_lock(&s->vms->lock);
	s->vm->vmm = vmm;
	pthread_mutex_unlock(&s->vms->lock);
	s->guest = wait_ms(s->cancel_fd, settings->vmm_start_timeout * 1000);
	if (s->ops->configure(&vmm, &machine, &s->guest, err) < 0 ||
		s->ops->console(&vmm, &out, &in, err) < 0 ||
		console_connect(s->vm->console, out, in, err) < 0 ||
		s->ops->start(&vmm, &s->guest, err) < 0 ||
		(s->ops->attach && s->ops->attach(&vmm, netd(s), &machine, err) < 0))
		return explain(s, err);
	return 0;
}

/* ---- copy: the rest of the disks, while the kernel boots ---- */

static int do_copy(void *ctx, struct err *err)
{
	struct start *s = ctx;
	bool fresh = s->work.fresh;
	int r;

	if (s->disk_ops->finish(&s->disk, s->cancel_fd, err) < 0)
		return -1;
	r = work_disk_finish(&s->work, s->vms->services->imaged, s->dir_fd, !s->vm->row.auto_remove,
		s->cancel_fd, err);
	/* From here on it is the guest's, also when the start fails. */
	if (fresh && !s->work.fresh) {
		pthread_mutex_lock(&s->vms->lock);
		s->vm->row.work_made = s->work.size;
		pthread_mutex_unlock(&s->vms->lock);
	}
	return r;
}

/* ---- guest: who it is, and when it is ready ---- */

static int set_up(struct start *s, struct agent_setup_out *out, struct err *err)
{
	const struct vm_row *row = &s->vm->row;
	struct agent_setup_in in = {
		.hostname = row->name,
		.mac = row->mac,
		.address = s->net.address,
		.prefix = s->net.prefix,
		.gateway = s->net.gateway,
		.dns1 = s->vms->dns[0],
		.dns2 = s->vms->dns[1],
	};
	_cleanup_free_ char *joined = NULL;
	struct timespec now;
	uint8_t seed[32];

	if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return err_sys(err, ERR_operation_failed, errno, "no random bytes for the guest");
	in.seed = (bytes){ seed, sizeof(seed) };
	if (vm_entry(row, &s->image, &in, &joined, err) < 0)
		return -1;
	clock_gettime(CLOCK_REALTIME, &now);
	in.clock_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	return agent_call(s->vm->agent, agent_msg_setup, &in, out, &s->guest, err);
}

static int greet(struct start *s, struct agent_setup_out *out, struct err *err)
{
	const struct vmm *vmm = &s->vm->vmm;
	struct agent_hello_out hello;
	int fd;

	if (vmm->ops->control(vmm, &s->guest, &fd, err) < 0 ||
		agent_attach(s->vm->agent, fd, &s->guest, &hello, err) < 0)
		return -1;
	return set_up(s, out, err);
}

static int do_guest(void *ctx, struct err *err)
{
	struct start *s = ctx;
	struct agent_setup_out out;

	if (greet(s, &out, err) == 0) {
		pthread_mutex_lock(&s->vms->lock);
		s->vm->row.boot_id = out.boot_id;
		s->vm->row.started_at = (int64_t)time(NULL);
		pthread_mutex_unlock(&s->vms->lock);
		return 0;
	}
	explain(s, err);
	if (err->code != ERR_timeout || wait_cancelled(s->cancel_fd))
		return -1;
	s->keep = !s->vm->row.auto_remove; /* the client would take it away, once it is gone */
	return err_set(err, ERR_timeout,
		"the guest of VM '%s' did not answer in time (%llu s); %s%s", s->vm->row.name.s,
		(unsigned long long)s->vms->services->settings->vmm_start_timeout,
		s->vm->row.auto_remove ? "without --rm it is kept, and what it said"
				       : "what it said: banger vm logs ",
		s->vm->row.auto_remove ? "" : s->vm->row.name.s);
}

/* ---- ready ---- */

/* A VM that is kept is on the disk before anybody is told of it, or its row says so. */
static int keep_files(struct start *s, bool runs, struct err *err)
{
	const struct vm_row *row = &s->vm->row;
	bool grew = row->disk_made != row->disk_size || row->work_made != row->work_size;

	if (!row->auto_remove && (makes_disk(s) || grew) && vm_dir_sync(s->vms, s->dir_fd, err) < 0)
		return -1;
	vm_lost_note_made(s->vm, runs);
	return 0;
}

static int do_ready(void *ctx, struct err *err)
{
	struct start *s = ctx;

	if (keep_files(s, true, err) < 0 || vm_save(s->vm, VM_RUNNING, "", err) < 0)
		return -1;
	return vm_watch_end(s->vm, err);
}

static int do_made(void *ctx, struct err *err)
{
	struct start *s = ctx;

	return keep_files(s, false, err) < 0 ? -1 : vm_save(s->vm, VM_STOPPED, "", err);
}

static const struct saga_step start_steps[] = {
	{ "begin", do_begin, undo_begin },
	{ "check", do_check, NULL },
	{ "reserve", do_reserve, undo_reserve },
	{ "disk", do_disk, undo_disk },
	{ "work", do_work, undo_work },
	{ "network", do_network, NULL },
	{ "launch", do_launch, NULL },
	{ "copy", do_copy, NULL },
	{ "guest", do_guest, NULL },
	{ "ready", do_ready, NULL },
};

/* The row of a new VM says that already (vm_create.c). */
static const struct saga_step create_steps[] = {
	{ "check", do_check, NULL },
	{ "reserve", do_reserve, undo_reserve },
	{ "disk", do_disk, undo_disk },
	{ "work", do_work, undo_work },
	{ "network", do_network, NULL },
	{ "launch", do_launch, NULL },
	{ "copy", do_copy, NULL },
	{ "guest", do_guest, NULL },
	{ "ready", do_ready, NULL },
};

/* Of the same steps, those that a VM needs which is not to run yet. */
static const struct saga_step disk_steps[] = {
	{ "check", do_check, NULL },
	{ "disk", do_disk, undo_disk },
	{ "copy", do_copy, NULL },
	{ "made", do_made, NULL },
};

static const struct saga start_saga = SAGA("vm.start", start_steps);
static const struct saga create_saga = SAGA("vm.create", create_steps);
static const struct saga disk_saga = SAGA("vm.make", disk_steps);

static void on_step(void *ctx, const char *step, unsigned index, unsigned count)
{
	const struct start *s = ctx;

	log_debug("VM %s: %s", s->vm->row.id.s, step);
	if (s->how->progress)
		s->how->progress(s->how->progress_ctx, step, index, count);
}

int vm_start_held(struct vm *vm, const struct vm_hold *hold, const struct vm_start_how *how,
	bool *ret_keep, struct err *err)
{
	struct start s = {
		.vm = vm,
		.vms = vm->vms,
		.how = how,
		.cancel_fd = hold->cancel_fd,
		.err = err,
		.image_fd = -1,
		.kernel = KERNEL_FILES_INIT,
		.dir_fd = -1,
		.disk = DISK_INIT,
		.work = WORK_DISK_INIT,
	};
	const struct saga *saga = how->no_start	   ? &disk_saga
				  : how->make_disk ? &create_saga
						   : &start_saga;
	int r = saga_run(saga, &s, s.cancel_fd, on_step, err);

	if (s.keep)
		*ret_keep = true;
	disk_close(&s.disk);
	work_disk_close(&s.work);
	kernel_files_close(&s.kernel);
	image_row_finish(&s.image);
	fd_closep(&s.image_fd);
	fd_closep(&s.dir_fd);
	return r;
}
