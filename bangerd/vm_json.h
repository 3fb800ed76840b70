/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "bangerd/vm.h"

struct json_object;

/* A VM as clients see it: as in vm.list, or, with `full`, as in vm.show (common/proto/rpc.tbl.h).
 */
int vm_describe(struct vm *vm, bool full, struct json_object **ret, struct err *err);

/* All that `uid` sees, as {"vms": […]}. */
int vm_describe_all(struct vms *vms, uid_t uid, struct json_object **ret, struct err *err);
