/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "bangerd/call.h"
#include "bangerd/vm.h"

/* See rpc.tbl.h, vm.create.begin: the row is there when this returns, the rest is an operation. */
int vm_create_begin(struct vms *vms, struct call *call, const struct rpc_vm_create_begin_in *in,
	struct json_object **ret, struct err *err);
