/* SPDX-License-Identifier: GPL-2.0-or-later */
/* operations.list, and vm.create.status, cancel and watch. */
#include "bangerd/call.h"
#include "bangerd/operations.h"
#include "bangerd/reply.h"

int rpc_operations_list(struct call *call, struct rpc_operations_list_in *in,
	struct json_object **ret_result, struct err *err)
{
	struct json_object *list;

	if (operations_list(call->services->operations, call->uid, &list, err) < 0)
		return -1;
	return reply_single("operations", list, ret_result, err);
}

int rpc_vm_create_status(struct call *call, struct rpc_vm_create_status_in *in,
	struct json_object **ret_result, struct err *err)
{
	struct json_object *described;
	struct operation *o;
	int n;

	if (operations_find(call->services->operations, call->uid, in->operation, &o, err) < 0)
		return -1;
	n = operation_describe(o, &described, err);
	operation_unref(o);
	return n < 0 ? -1 : reply_single("operation", described, ret_result, err);
}

int rpc_vm_create_cancel(struct call *call, struct rpc_vm_create_cancel_in *in,
	struct json_object **ret_result, struct err *err)
{
	return operations_cancel(call->services->operations, call->uid, in->operation, err);
}

int rpc_vm_create_watch(struct call *call, struct rpc_vm_create_watch_in *in,
	struct json_object **ret_result, struct err *err)
{
	struct operation *o;

	if (operations_find(call->services->operations, call->uid, in->operation, &o, err) < 0)
		return -1;
	call_watch(call, o);
	return 0;
}
