/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A VM's directory, state_dir/vms/ID: its disk, and its console's log. */
#include "bangerd/vm.h"

int vm_dir_make(struct vms *vms, const vm_id *id, int *ret_fd, struct err *err);
int vm_dir_open(struct vms *vms, const vm_id *id, int *ret_fd, struct err *err);

/* Put it and its files onto the disk, as they are now. */
int vm_dir_sync(struct vms *vms, int dir_fd, struct err *err);
/* Bytes on the host that what is in it takes; not found when there is none. */
int vm_dir_taken(struct vms *vms, const vm_id *id, uint64_t *ret_bytes, struct err *err);

/* With all that is in it; none is fine. It has another name first: a crash leaves nothing that
 * could be taken for a VM's. */
int vm_dir_remove(struct vms *vms, const vm_id *id, struct err *err);

/* Remove what deletions that were cut off left. A directory that no row is about is kept: rows come
 * before directories, and go after them, so the database is older than it is. One log line each. At
 * start. How many are kept. */
unsigned vm_dirs_sweep(struct vms *vms);

/* The VM's console, or NULL when it has none yet; it lives as long as the VM. */
struct console *vm_console_get(struct vm *vm);

/* The VM's console, made now when it has none yet. Fails when the VM has no directory. */
int vm_console_open(struct vm *vm, struct console **ret, struct err *err);
