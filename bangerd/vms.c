/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bangerd/call.h"
#include "bangerd/host.h"
#include "bangerd/loop.h"
#include "bangerd/resolvers.h"
#include "bangerd/vm.h"
#include "bangerd/vm_await.h"
#include "bangerd/vm_files.h"
#include "bangerd/vm_resolve.h"
#include "bangerd/vm_watch.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/settings.h"
#include "common/str.h"

/* ---- one VM ---- */

struct vm *vm_ref(struct vm *vm)
{
	pthread_mutex_lock(&vm->vms->lock);
	vm->refs++;
	pthread_mutex_unlock(&vm->vms->lock);
	return vm;
}

static void vm_free(struct vm *vm)
{
	vm_unwatch(vm);
	console_destroy(vm->console);
	agent_destroy(vm->agent);
	vmm_close(&vm->vmm);
	vm_row_finish(&vm->row);
	free(vm);
}

void vm_unref(struct vm *vm)
{
	bool last;

	if (!vm)
		return;
	pthread_mutex_lock(&vm->vms->lock);
	last = --vm->refs == 0;
	pthread_mutex_unlock(&vm->vms->lock);
	if (last)
		vm_free(vm);
}

void vm_unrefp(struct vm **vm)
{
	vm_unref(*vm);
	*vm = NULL;
}

int vm_add(struct vms *vms, struct vm_row *row, struct vm **ret, struct err *err)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	if (!vm)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot hold a VM");
	if (agent_create(&vm->agent, err) < 0) {
		free(vm);
		return -1;
	}
	vm->vms = vms;
	vm->refs = 1;
	vm->vmm = (struct vmm)VMM_INIT;
	vm->row = *row;
	*row = (struct vm_row){ 0 };
	vm->duty.run = vms->duty_run;
	vm->duty.uid = vm->row.owner;
	vm->duty.class = WORK_URGENT;
	pthread_mutex_lock(&vms->lock);
	*vms->last = vm;
	vms->last = &vm->next;
	pthread_mutex_unlock(&vms->lock);
	*ret = vm;
	return 0;
}

void vm_remove(struct vm *vm)
{
	struct vms *vms = vm->vms;
	struct vm **p = &vms->first;

	pthread_mutex_lock(&vms->lock);
	while (*p && *p != vm)
		p = &(*p)->next;
	/* Its creation was not written down, while somebody deleted it. */
	if (!*p) {
		pthread_mutex_unlock(&vms->lock);
		return;
	}
	*p = vm->next;
	if (vms->last == &vm->next)
		vms->last = p;
	vm->next = NULL;
	vm->gone = true;
	vm_await_wake(vms);
	pthread_mutex_unlock(&vms->lock);
	vm_unref(vm);
}

enum vm_state vm_state(struct vm *vm)
{
	enum vm_state s;

	pthread_mutex_lock(&vm->vms->lock);
	s = vm->row.state;
	pthread_mutex_unlock(&vm->vms->lock);
	return s;
}

void vm_set_state(struct vm *vm, enum vm_state state)
{
	pthread_mutex_lock(&vm->vms->lock);
	vm->row.state = state;
	vm_await_wake(vm->vms);
	pthread_mutex_unlock(&vm->vms->lock);
}

int vm_save(struct vm *vm, enum vm_state state, const char *last_error, struct err *err)
{
	pthread_mutex_lock(&vm->vms->lock);
	vm->row.state = state;
	if (state != VM_PAUSED)
		vm->row.paused_why.s[0] = '\0';
	if (state == VM_STOPPED) {
		vm->row.boot_id.s[0] = '\0';
		vm->row.started_at = 0;
	}
	/* What runs has its root disk. */
	if (state == VM_RUNNING || state == VM_PAUSED)
		vm->row.remake = false;
	str_format(vm->row.last_error.s, sizeof(vm->row.last_error.s), "%.500s", last_error);
	vm_await_wake(vm->vms);
	pthread_mutex_unlock(&vm->vms->lock);
	/* Who holds the VM's own lock is the only one who changes these. */
	return store_vm_save_state(vm->vms->services->store, &vm->row, err);
}

/* ---- all ---- */

int vm_find(struct vms *vms, uid_t uid, const char *ref, struct vm **ret, struct err *err)
{
	struct vm *vm;
	int r;

	pthread_mutex_lock(&vms->lock);
	r = vm_resolve(vms->first, uid, ref, &vm, err);
	if (r == 0) {
		vm->refs++;
		*ret = vm;
	}
	pthread_mutex_unlock(&vms->lock);
	return r;
}

size_t vms_collect(struct vms *vms, uid_t uid, struct vm ***ret)
{
	size_t n = 0, i = 0;
	struct vm **all;

	pthread_mutex_lock(&vms->lock);
	for (const struct vm *vm = vms->first; vm; vm = vm->next)
		n++;
	all = calloc(n ? n : 1, sizeof(struct vm *));
	for (struct vm *vm = vms->first; all && vm; vm = vm->next) {
		if (uid != 0 && vm->row.owner != uid)
			continue;
		vm->refs++;
		all[i++] = vm;
	}
	pthread_mutex_unlock(&vms->lock);
	*ret = all;
	return i;
}

const char *vms_reconciled(const struct vms *vms)
{
	return vms->reconciled;
}

bool vms_has_strays(const struct vms *vms)
{
	return vms->strays > 0;
}

void vms_count(struct vms *vms, uid_t uid, unsigned *ret_all, unsigned *ret_running)
{
	unsigned all = 0, running = 0;

	pthread_mutex_lock(&vms->lock);
	for (struct vm *vm = vms->first; vm; vm = vm->next) {
		if (uid != 0 && vm->row.owner != uid)
			continue;
		all++;
		running += vm->row.state == VM_RUNNING;
	}
	pthread_mutex_unlock(&vms->lock);
	*ret_all = all;
	*ret_running = running;
}

/* A VM that this connection holds, with a reference; it does so no more. */
static struct vm *next_tethered(struct vms *vms, uint64_t connection)
{
	struct vm *found = NULL;

	pthread_mutex_lock(&vms->lock);
	for (struct vm *vm = vms->first; vm && !found; vm = vm->next)
		if (vm->tether == connection) {
			vm->tether = 0;
			vm->refs++;
			found = vm;
		}
	pthread_mutex_unlock(&vms->lock);
	return found;
}

void vms_connection_closed(struct vms *vms, uint64_t connection)
{
	struct vm *vm;

	while (connection != 0 && (vm = next_tethered(vms, connection))) {
		vm_submit_duty(vm, VM_DUTY_REMOVE);
		vm_unref(vm);
	}
}

static int load_row(void *ctx, struct vm_row *row, struct err *err)
{
	struct vm *vm;

	return vm_add(ctx, row, &vm, err);
}

static int open_files(struct vms *vms, struct err *err)
{
	int state_fd = vms->services->state_fd;

	if (mkdirat(state_fd, "vms", 0700) < 0 && errno != EEXIST)
		return err_sys(err, ERR_operation_failed, errno, "cannot make %s/vms",
			vms->services->settings->paths_state_dir.s);
	vms->dir_fd = openat(state_fd, "vms", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (vms->dir_fd < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open %s/vms",
			vms->services->settings->paths_state_dir.s);
	vms->meminfo_fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	if (vms->meminfo_fd < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open /proc/meminfo");
	return 0;
}

int vms_create(const struct services *services, void (*duty_run)(struct work_item *item),
	struct vms **ret, struct err *err)
{
	struct vms *vms = calloc(1, sizeof(*vms));

	if (!vms)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot hold VMs");
	vms->services = services;
	vms->duty_run = duty_run;
	vms->last = &vms->first;
	vms->dir_fd = vms->meminfo_fd = -1;
	pthread_mutex_init(&vms->lock, NULL);
	vms->last_host = calloc(65536, sizeof(*vms->last_host));
	if (getrandom(&vms->names_seed, sizeof(vms->names_seed), 0) < 0)
		vms->names_seed = 1; /* names need not be secret */
	if (!vms->last_host) {
		err_sys(err, ERR_operation_failed, ENOMEM, "cannot hold VMs");
		goto fail;
	}
	if (open_files(vms, err) < 0 ||
		watches_create(loop_event(services->loop), &vms->watches, err) < 0)
		goto fail;
	resolvers_choose(&services->settings->net_dns, vms->dns);
	if (store_vm_list(services->store, load_row, vms, err) < 0)
		goto fail;
	*ret = vms;
	return 0;
fail:
	vms_destroy(vms);
	return -1;
}

void vms_destroy(struct vms *vms)
{
	struct vm *next;

	if (!vms)
		return;
	for (struct vm *vm = vms->first; vm; vm = next) {
		next = vm->next;
		vm_unref(vm);
	}
	watches_destroy(vms->watches);
	fd_closep(&vms->dir_fd);
	fd_closep(&vms->meminfo_fd);
	pthread_mutex_destroy(&vms->lock);
	free(vms->last_host);
	free(vms);
}
