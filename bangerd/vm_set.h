/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What a VM is, changed. */
#include "bangerd/vm.h"
#include "bangerd/vm_hold.h"

struct rpc_vm_set_in;

/* Under the VM's own lock. All of it or nothing, and on the disk when it returns; disks become what
 * the row says at the next start. A work disk that is lost, and was said to be (vm_lost.h), is
 * made anew then, when its size is set. Fails with bad_request for what no VM can be, and with busy
 * when the VM would have to be stopped. */
int vm_set_held(
	struct vm *vm, const struct vm_hold *hold, const struct rpc_vm_set_in *in, struct err *err);

/* Have banger-netd give a VM that runs the NAT of its row. */
int vm_nat_apply(struct vm *vm, struct err *err);
