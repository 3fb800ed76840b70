/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What a client does inside a VM. Streams leave by call->reply_fd. */
#include "bangerd/call.h"
#include "bangerd/vm.h"

int vm_exec(struct vm *vm, struct call *call, const struct rpc_vm_exec_in *in,
	struct json_object **ret, struct err *err);
int vm_console(struct vm *vm, struct call *call, struct err *err);
int vm_logs(struct vm *vm, struct call *call, bool follow, struct err *err);

/* Answers also when the guest does not: "healthy" is false then, and "message" says why. */
int vm_health(struct vm *vm, struct call *call, struct json_object **ret, struct err *err);
