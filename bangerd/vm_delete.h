/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "bangerd/vm.h"

/* Under the VM's own lock: kill what runs of it, then take away its network, files, row, and it
 * from the list. On failure it is there still, as "deleting": again, or a restart, goes on. */
int vm_delete_held(struct vm *vm, struct err *err);
