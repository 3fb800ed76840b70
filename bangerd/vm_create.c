/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vm_create.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "bangerd/disk.h"
#include "bangerd/host.h"
#include "bangerd/images.h"
#include "bangerd/kernels.h"
#include "bangerd/names.h"
#include "bangerd/operations.h"
#include "bangerd/reply.h"
#include "bangerd/saga.h"
#include "bangerd/store_subnet.h"
#include "bangerd/vm_check.h"
#include "bangerd/vm_delete.h"
#include "bangerd/vm_files.h"
#include "bangerd/vm_lost.h"
#include "bangerd/vm_start.h"
#include "bangerd/vm_watch.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/settings.h"
#include "common/str.h"

#define NAME_TRIES 100

/* A creation at work. */
struct creation {
	struct work_item item;
	struct vm *vm;
	struct operation *operation;
	bool no_start;
	int image_fd; /* of a registered image; else -1 */
};

/* ---- the row ---- */

static int fill_resources(struct vms *vms, const struct rpc_vm_create_begin_in *in,
	const struct image_row *image, struct vm_row *row, struct err *err)
{
	const struct settings *settings = vms->services->settings;
	struct vm_defaults defaults;

	if (vm_defaults(vms, &defaults, err) < 0)
		return -1;
	row->vcpus = in->vcpus ? in->vcpus : defaults.vcpus;
	row->memory_mib = in->memory_mib ? in->memory_mib : defaults.memory_mib;
	row->work_size = in->disk_size ? in->disk_size : defaults.work_size;
	if (vm_size_disks(row, in->system_overlay_size, defaults.disk_size, image->size, err) < 0)
		return -1;
	/* Nothing is to lie over a file that its owner can change. */
	if (image->path.s[0])
		row->disk = disk_kind_clone;
	else if (disk_choose(settings->image_disk, vms->services->host->status.have_dm, &row->disk,
			 err) < 0)
		return -1;
	row->vmm = in->vmm;
	row->accel = in->accel != accel_auto ? in->accel : settings->vmm_accel;
	return 0;
}

static int fill_row(struct vms *vms, const struct call *call,
	const struct rpc_vm_create_begin_in *in, const struct image_row *image,
	const struct kernel_row *kernel, struct vm_row *row, struct err *err)
{
	row->id = vm_id_random();
	row->owner = call->uid;
	row->image_id = image->id;
	row->image_name = image->name;
	row->kernel_id = kernel->id;
	row->kernel_name = kernel->name;
	row->nat = in->nat;
	row->auto_remove = in->auto_remove;
	row->mode = in->mode;
	row->mac = addr_mac(&row->id);
	row->state = VM_CREATING;
	row->created_at = (int64_t)time(NULL);
	if (in->name && !vm_name_parse(in->name, &row->name))
		return err_set(err, ERR_bad_request, "'%s' is no name for a VM", in->name);
	if ((in->user && !text_parse(in->user, &row->user)) ||
		(in->directory && !text_parse(in->directory, &row->directory)))
		return err_set(err, ERR_bad_request, "user or directory is no line of text");
	if (strv_dup(&in->argv, &row->argv, err) < 0 || strv_dup(&in->env, &row->env, err) < 0)
		return -1;
	return fill_resources(vms, in, image, row, err);
}

/* ---- name and address: inside one transaction ---- */

static bool name_is_taken(struct vms *vms, uid_t owner, const vm_name *name)
{
	bool taken = false;

	pthread_mutex_lock(&vms->lock);
	for (struct vm *vm = vms->first; vm && !taken; vm = vm->next)
		taken = vm->row.owner == owner && str_eq(vm->row.name.s, name->s);
	pthread_mutex_unlock(&vms->lock);
	return taken;
}

static int choose_name(struct vms *vms, struct vm_row *row, struct err *err)
{
	if (row->name.s[0]) {
		if (name_is_taken(vms, row->owner, &row->name))
			return err_set(err, ERR_already_exists,
				"VM '%s' exists already: choose another name (--name), or delete "
				"it "
				"(banger vm delete %s)",
				row->name.s, row->name.s);
		return 0;
	}
	for (unsigned i = 0; i < NAME_TRIES; i++) {
		vms->names_seed = vms->names_seed * 1664525 + 1013904223;
		row->name = names_make(vms->names_seed >> 8, i < NAME_TRIES / 2 ? 0 : i);
		if (!name_is_taken(vms, row->owner, &row->name))
			return 0;
	}
	return err_set(err, ERR_operation_failed, "cannot make up a name: give one (--name)");
}

static int choose_address(struct vms *vms, struct vm_row *row, struct err *err)
{
	struct store *store = vms->services->store;
	struct addr_hosts used;

	if (store_subnet_of(store, row->owner, vms->services->host->status.pool_prefix,
		    &row->subnet, err) < 0 ||
		store_subnet_hosts(store, row->subnet, &used, err) < 0 ||
		addr_host_pick(&used, vms->last_host[row->subnet], &row->host, err) < 0)
		return -1;
	vms->last_host[row->subnet] = row->host;
	return 0;
}

/* The row into the store and the list: the transaction is the lock that makes names and addresses
 * one VM's. Takes the row. */
static int insert(struct vms *vms, struct vm_row *row, struct vm **ret, struct err *err)
{
	struct store *store = vms->services->store;
	_cleanup_(store_tx_end) struct store *tx = NULL;
	struct vm *vm;

	if (store_begin(store, err) < 0)
		return -1;
	tx = store;
	if (choose_name(vms, row, err) < 0 || choose_address(vms, row, err) < 0 ||
		store_vm_insert(store, row, err) < 0 || vm_add(vms, row, &vm, err) < 0)
		return -1;
	if (store_tx_commit(&tx, err) < 0) {
		vm_remove(vm);
		return -1;
	}
	*ret = vm;
	return 0;
}

/* ---- the operation ---- */

static void on_stage(void *ctx, const char *step, unsigned index, unsigned count)
{
	operation_stage(ctx, step, index, count);
}

/* As any that is kept: on the disk before anybody is told of it. */
static int keep_stopped(struct vm *vm, const struct err *why, struct err *err)
{
	_cleanup_fd_ int dir = -1;

	if (vm_dir_open(vm->vms, &vm->row.id, &dir, err) < 0 || vm_dir_sync(vm->vms, dir, err) < 0)
		return -1;
	vm_lost_note_made(vm, true);
	return vm_save(vm, VM_STOPPED, why->msg, err);
}

/* What a failed start leaves of a new VM: nothing; or, of a guest that was not ready in time, a
 * stopped VM whose console can be read. */
static void settle_failed(struct creation *c, bool keep, const struct err *why)
{
	struct err err = ERR_INIT;

	if (keep && keep_stopped(c->vm, why, &err) == 0)
		return;
	if (keep)
		log_error("VM %s: cannot be kept: %s", c->vm->row.id.s, err.msg);
	if (vm_delete_held(c->vm, &err) < 0)
		log_error("VM %s: after '%s': %s", c->vm->row.id.s, why->msg, err.msg);
}

static int create_held(struct creation *c, const struct vm_hold *hold, struct err *err)
{
	const struct vm_start_how how = {
		.make_disk = true,
		.no_start = c->no_start,
		.image_fd = c->image_fd,
		.progress = on_stage,
		.progress_ctx = c->operation,
	};
	bool keep = false;
	int r = vm_start_held(c->vm, hold, &how, &keep, err);

	if (r < 0)
		settle_failed(c, keep, err);
	return r;
}

static void creation_free(struct creation *c)
{
	vm_unref(c->vm);
	operation_unref(c->operation);
	fd_closep(&c->image_fd);
	free(c);
}

static void creation_run(struct work_item *item)
{
	struct creation *c =
		(struct creation *)(void *)((char *)item - offsetof(struct creation, item));
	_cleanup_(vm_hold_drop) struct vm_hold hold = VM_HOLD_INIT;
	struct err err = ERR_INIT;
	int r = vm_hold_take(
		&hold, c->vm, VM_HOLD_WAIT, true, operation_cancel_fd(c->operation), &err);

	if (r == 0) {
		r = create_held(c, &hold, &err);
	} else if (vm_hold_take(&hold, c->vm, VM_HOLD_WAIT, false, -1, &err) == 0) {
		/* Cancelled while it waited: nothing was made yet, but the row. */
		settle_failed(c, false, &err);
	} else {
		err_set(&err, ERR_cancelled, "cancelled: the VM was deleted");
	}
	if (r == 0)
		log_info("VM %s '%s' of uid %u is %s", c->vm->row.id.s, c->vm->row.name.s,
			c->vm->row.owner, c->no_start ? "created" : "ready");
	else
		log_info("VM %s '%s' of uid %u: %s", c->vm->row.id.s, c->vm->row.name.s,
			c->vm->row.owner, err.msg);
	vm_hold_drop(&hold);
	operation_end(c->operation, r < 0 ? &err : NULL);
	creation_free(c);
}

static int describe(const struct creation *c, struct json_object **ret, struct err *err)
{
	struct reply r;

	reply_begin(&r);
	reply_string(&r, "operation", operation_name(c->operation));
	reply_string(&r, "id", c->vm->row.id.s);
	reply_string(&r, "name", c->vm->row.name.s);
	return reply_end(&r, ret, err);
}

/* The VM goes with the connection, which may be gone already. */
static void tie(struct vm *vm, const struct call *call)
{
	pthread_mutex_lock(&vm->vms->lock);
	vm->tether = call->connection;
	pthread_mutex_unlock(&vm->vms->lock);
	if (wait_cancelled(call->cancel_fd))
		vm_submit_duty(vm, VM_DUTY_REMOVE);
}

/* ---- its begin: everything is proven, the row is not there yet ---- */

struct begin {
	struct vms *vms;
	struct call *call;
	struct creation *c; /* the worker's once it is submitted */
	struct vm_row *row;
	bool auto_remove;
	struct json_object **ret;
};

static int do_row(void *ctx, struct err *err)
{
	struct begin *b = ctx;
	struct creation *c = b->c;
	struct vm *vm;

	if (insert(b->vms, b->row, &vm, err) < 0)
		return -1;
	c->vm = vm_ref(vm);
	operation_set_vm(c->operation, &vm->row.id, &vm->row.name);
	if (b->auto_remove)
		tie(vm, b->call);
	return 0;
}

static void undo_row(void *ctx)
{
	struct begin *b = ctx;
	_cleanup_(vm_hold_drop) struct vm_hold hold = VM_HOLD_INIT;
	struct err err = ERR_INIT;

	/* Who sees it in the list may be deleting it already. */
	if (!b->c->vm || vm_hold_take(&hold, b->c->vm, VM_HOLD_WAIT, false, -1, &err) < 0)
		return;
	if (vm_delete_held(b->c->vm, &err) < 0)
		log_error("VM %s: %s", b->c->vm->row.id.s, err.msg);
}

static int do_submit(void *ctx, struct err *err)
{
	struct begin *b = ctx;

	return describe(b->c, b->ret, err) < 0
		       ? -1
		       : work_submit(b->vms->services->work, &b->c->item, err);
}

static const struct saga_step begin_steps[] = {
	{ "row", do_row, undo_row },
	{ "submit", do_submit, NULL },
};
static const struct saga begin_saga = SAGA("vm.create.begin", begin_steps);

/* Takes *image_fd: a registered image's file. */
static int begin(struct vms *vms, struct call *call, const struct rpc_vm_create_begin_in *in,
	struct vm_row *row, int *image_fd, struct json_object **ret, struct err *err)
{
	const struct services *services = vms->services;
	struct creation *c = calloc(1, sizeof(*c));
	struct begin b = { vms, call, c, row, in->auto_remove, ret };

	if (!c)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot create a VM");
	if (operation_begin(services->operations, call->uid, "vm.create", &c->operation, err) < 0) {
		free(c);
		return -1;
	}
	c->no_start = in->no_start;
	c->image_fd = TAKE_FD(*image_fd);
	c->item = (struct work_item){ .run = creation_run,
		.uid = call->uid,
		.class = WORK_LONG,
		.op = operation_id(c->operation) };
	if (saga_run(&begin_saga, &b, call->cancel_fd, NULL, err) == 0)
		return 0;
	operation_end(c->operation, err);
	creation_free(c);
	return -1;
}

/* The image's file; *ret_own: it is its owner's, who passed it. */
static int open_image(const struct services *services, const struct image_row *image, int passed,
	int *ret_fd, bool *ret_own, struct err *err)
{
	*ret_own = image->path.s[0] != '\0';
	if (!*ret_own && passed >= 0)
		return err_set(err, ERR_bad_request,
			"image '%s' is the daemon's: `image_file` is for one that has a `path`",
			image->name.s);
	if (!*ret_own)
		return images_open(services->images, &image->id, ret_fd, err);
	if (passed < 0)
		return err_set(err, ERR_bad_request,
			"image '%s' is a file of its owner's, %s: it must be passed (`image_file`)",
			image->name.s, image->path.s);
	if (images_check_file(image, passed, err) < 0)
		return -1;
	*ret_fd = fcntl(passed, F_DUPFD_CLOEXEC, 0);
	return *ret_fd < 0 ? err_sys(err, ERR_operation_failed, errno, "cannot keep a file") : 0;
}

int vm_create_begin(struct vms *vms, struct call *call, const struct rpc_vm_create_begin_in *in,
	struct json_object **ret, struct err *err)
{
	const struct services *services = vms->services;
	_cleanup_(image_row_finish) struct image_row image = { 0 };
	_cleanup_(vm_row_finish) struct vm_row row = { 0 };
	_cleanup_fd_ int image_fd = -1;
	struct kernel_row kernel;
	struct vmm_choice choice;
	bool own;

	if (images_find(services->images, call->uid, in->image, &image, err) < 0 ||
		kernels_find(services->kernels, call->uid, in->kernel, &kernel, err) < 0 ||
		fill_row(vms, call, in, &image, &kernel, &row, err) < 0 ||
		open_image(services, &image, in->image_file, &image_fd, &own, err) < 0 ||
		vm_check(vms, &row, image_fd, &choice, err) < 0)
		return -1;
	if (!own)
		fd_closep(&image_fd);
	return begin(vms, call, in, &row, &image_fd, ret, err);
}
