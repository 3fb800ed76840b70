/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/vm_delete.h"

#include "bangerd/call.h"
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

int vm_delete_held(struct vm *vm, struct err *err)
{
	struct store *store = vm->vms->services->store;

	/* Rows that a restart removes in any state need not say so first: a sync less. */
	if (vm->row.auto_remove || vm_state(vm) == VM_CREATING)
		vm_set_state(vm, VM_DELETING);
	else if (vm_save(vm, VM_DELETING, "", err) < 0)
		return -1;
	if (vm_release_host(vm, err) < 0 || vm_dir_remove(vm->vms, &vm->row.id, err) < 0 ||
		delete_row(store, &vm->row.id, err) < 0)
		return -1;
	vm_remove(vm);
	return 0;
}
