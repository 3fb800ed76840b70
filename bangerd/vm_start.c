/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vm_start.h"

#include <errno.h>
#include <fcntl.h>

#include "bangerd/call.h"
#include "bangerd/disk_watch.h"
#include "bangerd/images.h"
#include "bangerd/vm_check.h"
#include "bangerd/vm_lost.h"
#include "bangerd/vm_start_impl.h"
#include "bangerd/vm_stop.h"
#include "bangerd/vm_watch.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"

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
		((vm_start_makes_disk(s) || s->disk_ops->on_image) && open_image(s, err) < 0) ||
		(!s->how->no_start && open_kernel(s, err) < 0))
		return -1;
	if (vm_check(s->vms, row, vm_start_makes_disk(s) ? s->image_fd : -1, &s->choice, err) < 0)
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
	return netd_vm_reserve(s->vms->services->netd, &in, &out, err);
}

static void undo_reserve(void *ctx)
{
	struct start *s = ctx;
	struct err err = ERR_INIT;

	/* The TAP, the jail and the VMM go with the row. */
	vm_release_host(s->vm, &err);
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

	return netd_tap_create(s->vms->services->netd, &in, &s->net, err);
}

/* ---- ready ---- */

static int do_ready(void *ctx, struct err *err)
{
	struct start *s = ctx;

	if (vm_start_keep_files(s, true, err) < 0 || vm_save(s->vm, VM_RUNNING, "", err) < 0)
		return -1;
	return vm_watch_end(s->vm, err);
}

static int do_made(void *ctx, struct err *err)
{
	struct start *s = ctx;

	return vm_start_keep_files(s, false, err) < 0 ? -1 : vm_save(s->vm, VM_STOPPED, "", err);
}

static const struct saga_step start_steps[] = {
	{ "begin", do_begin, undo_begin },
	{ "check", do_check, NULL },
	{ "reserve", do_reserve, undo_reserve },
	{ "disk", vm_start_disk, vm_start_undo_disk },
	{ "work", vm_start_work, vm_start_undo_work },
	{ "network", do_network, NULL },
	{ "launch", vm_start_launch, NULL },
	{ "copy", vm_start_copy, NULL },
	{ "guest", vm_start_guest, NULL },
	{ "ready", do_ready, NULL },
};

/* The row of a new VM says that already (vm_create.c). */
static const struct saga_step create_steps[] = {
	{ "check", do_check, NULL },
	{ "reserve", do_reserve, undo_reserve },
	{ "disk", vm_start_disk, vm_start_undo_disk },
	{ "work", vm_start_work, vm_start_undo_work },
	{ "network", do_network, NULL },
	{ "launch", vm_start_launch, NULL },
	{ "copy", vm_start_copy, NULL },
	{ "guest", vm_start_guest, NULL },
	{ "ready", do_ready, NULL },
};

/* Of the same steps, those that a VM needs which is not to run yet. */
static const struct saga_step disk_steps[] = {
	{ "check", do_check, NULL },
	{ "disk", vm_start_disk, vm_start_undo_disk },
	{ "copy", vm_start_copy, NULL },
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
