/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vm_delete.h"

#include "bangerd/call.h"
#include "bangerd/saga.h"
#include "bangerd/vm_files.h"
#include "bangerd/vm_stop.h"
#include "common/str.h"

static int delete_row(struct store *store, const vm_id *id, struct err *err)
{
	_cleanup_(store_tx_end) struct store *tx = NULL;

	if (store_begin(store, err) < 0)
		return -1;
	tx = store;
	if (store_vm_delete(store, id, err) < 0)
		return -1;
	return store_tx_commit(&tx, err);
}

/* Rows that a restart removes in any state need not say so first: a sync less. */
static int do_mark(void *ctx, struct err *err)
{
	struct vm *vm = ctx;
	enum vm_state was = vm_state(vm);
	text error = vm->row.last_error, paused = vm->row.paused_why;

	if (vm->row.auto_remove || was == VM_CREATING) {
		vm_set_state(vm, VM_DELETING);
		return 0;
	}
	if (vm_save(vm, VM_DELETING, "", err) == 0)
		return 0;
	/* It is what it was: one that runs is watched. */
	pthread_mutex_lock(&vm->vms->lock);
	vm->row.last_error = error;
	vm->row.paused_why = paused;
	pthread_mutex_unlock(&vm->vms->lock);
	vm_set_state(vm, was);
	return -1;
}

static int do_release(void *ctx, struct err *err)
{
	return vm_release_host(ctx, err);
}

static int do_files(void *ctx, struct err *err)
{
	struct vm *vm = ctx;

	return vm_dir_remove(vm->vms, &vm->row.id, err);
}

static int do_row(void *ctx, struct err *err)
{
	struct vm *vm = ctx;

	if (delete_row(vm->vms->services->store, &vm->row.id, err) < 0)
		return -1;
	vm_remove(vm);
	return 0;
}

/* Nothing is undone: what is marked goes, now or by the next try. */
static const struct saga_step delete_steps[] = {
	{ "mark", do_mark, NULL },
	{ "release", do_release, NULL },
	{ "files", do_files, NULL },
	{ "row", do_row, NULL },
};
static const struct saga delete_saga = SAGA("vm.delete", delete_steps);

int vm_delete_held(struct vm *vm, struct err *err)
{
	return saga_run(&delete_saga, vm, -1, NULL, err);
}
