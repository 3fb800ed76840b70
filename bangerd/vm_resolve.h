/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stddef.h>

#include "bangerd/vm.h"

/*
 * The VM of the list that `ref` means to `uid`: by exact id; by exact name, its own before others'
 * (which root alone sees); else by the unique prefix of an id or name. Fails with not_found, also
 * for another owner's, and with bad_request "multiple VMs match". Under vms->lock.
 */
int vm_resolve(struct vm *first, uid_t uid, const char *ref, struct vm **ret, struct err *err);
