/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* common/proto/rpc.tbl.h as data: one row a method. */
#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "common/rpc_types.h"

enum rpc_class {
	RPC_CLASS_inline,
	RPC_CLASS_work,
	RPC_CLASS_long,
	RPC_CLASS_urgent,
	RPC_CLASS_stream
};
enum rpc_access { RPC_ACCESS_any, RPC_ACCESS_owner, RPC_ACCESS_root };
enum rpc_need { RPC_NEED_optional, RPC_NEED_required };

struct rpc_param {
	const char *name;
	enum rpc_type type;
	enum rpc_need need;
	size_t offset; /* in struct rpc_IDENT_in */
};

struct rpc_method_info {
	const char *name;
	enum rpc_class class;
	enum rpc_access access;
	size_t in_size;
	/* The method's parameters, in the table's order. */
	size_t (*params)(const struct rpc_param **ret);
};

extern const struct rpc_method_info rpc_methods[RPC_METHOD__count];

/* The row of a name, or NULL. */
const struct rpc_method_info *rpc_method_find(const char *name);
