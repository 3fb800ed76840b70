/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vm_set.h"

#include <unistd.h>

#include "bangerd/call.h"
#include "bangerd/disk.h"
#include "bangerd/images.h"
#include "bangerd/kernels.h"
#include "bangerd/saga.h"
#include "bangerd/store_image.h"
#include "bangerd/vm_check.h"
#include "bangerd/vm_files.h"
#include "bangerd/vm_lost.h"
#include "bangerd/work_disk.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/proto_netd.h"
#include "common/str.h"

/* One change at work. */
struct change {
	struct vm *vm;
	const struct rpc_vm_set_in *in;
	struct vm_row to; /* as it is to be; what it points to is the VM's */
	struct vm_row from;
	struct image_row image; /* the new one, where there is one */
};

static bool is_asked(const struct rpc_vm_set_in *in)
{
	return in->vcpus || in->memory_mib || in->disk_size || in->system_overlay_size ||
	       in->image || in->kernel || in->nat || in->no_nat;
}

/* What only a VM that does not run can get, as an option's name; NULL: nothing of that. */
static const char *needs_stop(const struct rpc_vm_set_in *in)
{
	return in->vcpus		 ? "--vcpu"
	       : in->memory_mib		 ? "--memory"
	       : in->disk_size		 ? "--disk-size"
	       : in->system_overlay_size ? "--system-overlay-size"
	       : in->image		 ? "--image"
	       : in->kernel		 ? "--kernel"
					 : NULL;
}

/* ---- check: nothing is changed yet ---- */

static int check_state(const struct change *c, struct err *err)
{
	enum vm_state state = vm_state(c->vm);
	const char *name = c->vm->row.name.s, *option = needs_stop(c->in);

	if (!is_asked(c->in))
		return err_set(
			err, ERR_bad_request, "what is to change of VM '%s' is not said", name);
	if (c->in->nat && c->in->no_nat)
		return err_set(err, ERR_bad_request, "with NAT and without it: say one");
	if (state != VM_STOPPED && state != VM_RUNNING && state != VM_PAUSED)
		return err_set(err, ERR_busy,
			"VM '%s' is %s: wait until it runs or is stopped, then try again", name,
			vm_state_name(state));
	if (state != VM_STOPPED && option)
		return err_set(err, ERR_busy,
			"VM '%s' is %s, and %s is for one that is stopped: banger vm stop %s "
			"(--nat and --no-nat are for any)",
			name, vm_state_name(state), option, name);
	return 0;
}

/* No disk gets smaller; but what was only said, and not done by a start yet, may be taken back. */
static int check_growth(const struct change *c, struct err *err)
{
	struct disk_place place = { .vm = c->from.id, .dirfd = -1 };
	bool work = c->to.work_made > 0 && c->to.work_size < c->from.work_size;
	bool root = c->to.disk_size < c->from.disk_size;
	_cleanup_fd_ int dir = -1;
	struct err why = ERR_INIT;

	if (!work && !root)
		return 0;
	if (vm_dir_open(c->vm->vms, &c->from.id, &dir, &why) == 0) {
		place.dirfd = dir;
		place.size = c->to.work_size;
		work = work && !work_disk_fits(&place);
		place.size = c->to.disk_size;
		root = root && !c->to.remake && !disk_ops_of(c->from.disk)->fits(&place);
	}
	if (work || root)
		return err_set(err, ERR_bad_request,
			"the %s disk of VM '%s' has %llu MiB already: disks only grow",
			work ? "work" : "root", c->from.name.s,
			(unsigned long long)((work ? c->from.work_size : c->from.disk_size) >> 20));
	return 0;
}

/* The new root disk is as large as the old one was, unless another size is asked for. */
static int take_image(struct change *c, struct err *err)
{
	const struct services *services = c->vm->vms->services;

	if (images_find(services->images, c->from.owner, c->in->image, &c->image, err) < 0)
		return -1;
	c->to.image_id = c->image.id;
	c->to.image_name = c->image.name;
	c->to.remake = true;
	c->to.disk_made = 0;
	c->to.disk_lost = c->to.disk_gone = false;
	return 0;
}

static int take_kernel(struct change *c, struct err *err)
{
	struct kernel_row kernel;

	if (kernels_find(
		    c->vm->vms->services->kernels, c->from.owner, c->in->kernel, &kernel, err) < 0)
		return -1;
	c->to.kernel_id = kernel.id;
	c->to.kernel_name = kernel.name;
	return 0;
}

/* One that is lost, and was said to be, is made anew by the next start; it may be of any size. */
static int take_work(struct change *c, struct err *err)
{
	struct vm *vm = c->vm;
	bool told = c->from.work_gone;
	struct err why = ERR_INIT;

	c->to.work_size = c->in->disk_size;
	if (c->from.work_made == 0)
		return 0;
	if (vm_lost_look(vm, &why) < 0 && why.code != ERR_bad_input) {
		*err = why;
		return -1;
	}
	c->from.work_gone = c->to.work_gone = vm->row.work_gone;
	c->from.disk_gone = vm->row.disk_gone;
	c->to.disk_gone = vm->row.disk_gone && !c->in->image;
	if (!vm->row.work_gone)
		return 0;
	if (!told)
		return err_set(err, ERR_bad_input,
			"%.250s; bring it back, or, for a new and empty one, ask for the same once "
			"more",
			why.msg);
	c->to.work_made = 0;
	c->to.work_gone = false;
	return 0;
}

static int take_sizes(struct change *c, struct err *err)
{
	const struct rpc_vm_set_in *in = c->in;

	if (in->disk_size && take_work(c, err) < 0)
		return -1;
	/* Of a root disk that is to be made anyway: its image has to fit. */
	if (in->system_overlay_size && c->to.remake && !in->image &&
		store_image_get(c->vm->vms->services->store, STORE_READ, &c->to.image_id, &c->image,
			err) < 0)
		return -1;
	if (vm_size_disks(&c->to, in->system_overlay_size, c->from.disk_size, c->image.size, err) <
		0)
		return -1;
	return check_growth(c, err);
}

/* As for a VM that is being created: the host has what it will need. */
static int check_host(const struct change *c, struct err *err)
{
	const struct services *services = c->vm->vms->services;
	_cleanup_fd_ int image = -1;
	struct vmm_choice choice;

	if (!c->in->vcpus && !c->in->memory_mib && !c->in->image)
		return 0;
	if (c->in->image && images_open(services->images, &c->to.image_id, &image, err) < 0)
		return -1;
	return vm_check(c->vm->vms, &c->to, image, &choice, err);
}

static int do_check(void *ctx, struct err *err)
{
	struct change *c = ctx;
	const struct rpc_vm_set_in *in = c->in;

	if (check_state(c, err) < 0 || (in->image && take_image(c, err) < 0) ||
		(in->kernel && take_kernel(c, err) < 0) || take_sizes(c, err) < 0)
		return -1;
	if (in->vcpus)
		c->to.vcpus = in->vcpus;
	if (in->memory_mib)
		c->to.memory_mib = in->memory_mib;
	if (in->nat || in->no_nat)
		c->to.nat = in->nat;
	return check_host(c, err);
}

/* ---- save ---- */

static int save(struct vm *vm, const struct vm_row *row, struct err *err)
{
	struct vms *vms = vm->vms;

	if (store_vm_save_machine(vms->services->store, row, err) < 0)
		return -1;
	pthread_mutex_lock(&vms->lock);
	vm->row.vcpus = row->vcpus;
	vm->row.memory_mib = row->memory_mib;
	vm->row.disk_size = row->disk_size;
	vm->row.work_size = row->work_size;
	vm->row.nat = row->nat;
	vm->row.image_id = row->image_id;
	vm->row.image_name = row->image_name;
	vm->row.kernel_id = row->kernel_id;
	vm->row.kernel_name = row->kernel_name;
	vm->row.remake = row->remake;
	vm->row.disk_lost = row->disk_lost;
	vm->row.disk_made = row->disk_made;
	vm->row.work_made = row->work_made;
	vm->row.disk_gone = row->disk_gone;
	vm->row.work_gone = row->work_gone;
	pthread_mutex_unlock(&vms->lock);
	return 0;
}

static int do_save(void *ctx, struct err *err)
{
	struct change *c = ctx;

	return save(c->vm, &c->to, err);
}

static void undo_save(void *ctx)
{
	struct change *c = ctx;
	struct err err = ERR_INIT;

	if (save(c->vm, &c->from, &err) < 0)
		log_error("VM %s: %s", c->from.id.s, err.msg);
}

/* ---- network ---- */

int vm_nat_apply(struct vm *vm, struct err *err)
{
	const struct netd_nat_set_in in = { .vm = vm->row.id, .nat = vm->row.nat };
	struct netd_nat_set_out out;

	return netd_nat_set(vm->vms->services->netd, &in, &out, err);
}

static int do_network(void *ctx, struct err *err)
{
	struct change *c = ctx;

	if (c->to.nat == c->from.nat || !c->vm->vmm.ops)
		return 0;
	return vm_nat_apply(c->vm, err);
}

static const struct saga_step steps[] = {
	{ "check", do_check, NULL },
	{ "save", do_save, undo_save },
	{ "network", do_network, NULL },
};
static const struct saga set_saga = SAGA("vm.set", steps);

int vm_set_held(
	struct vm *vm, const struct vm_hold *hold, const struct rpc_vm_set_in *in, struct err *err)
{
	struct change c = { .vm = vm, .in = in, .from = vm->row, .to = vm->row };
	int r = saga_run(&set_saga, &c, hold->cancel_fd, NULL, err);

	image_row_finish(&c.image);
	if (r == 0)
		log_info("VM %s '%s' is changed", vm->row.id.s, vm->row.name.s);
	return r;
}
