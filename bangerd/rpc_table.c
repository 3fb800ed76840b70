/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/rpc_table.h"

#include "common/str.h"

/* PARAM lines do not know their method's name: a function's scope gives them its struct under a
 * fixed one. */
#define METHOD(ident, name, class, access, doc)                               \
	static size_t params_of_##ident(const struct rpc_param **ret)         \
	{                                                                     \
		typedef struct rpc_##ident##_in in_t __attribute__((unused)); \
		static const struct rpc_param params[] = {
#define PARAM(type, name, need, doc) { #name, RPC_##type, RPC_NEED_##need, offsetof(in_t, name) },
#define END(ident)                                          \
	{                                                   \
		NULL, RPC__type_count, RPC_NEED_optional, 0 \
	}                                                   \
	}                                                   \
	;                                                   \
	*ret = params;                                      \
	return ARRAY_SIZE(params) - 1;                      \
	}
#include "common/proto/rpc.tbl.h"

const struct rpc_method_info rpc_methods[RPC_METHOD__count] = {
#define METHOD(ident, name, class, access, doc)                                          \
	{ name, RPC_CLASS_##class, RPC_ACCESS_##access, sizeof(struct rpc_##ident##_in), \
		params_of_##ident },
#include "common/proto/rpc.tbl.h"
};

const struct rpc_method_info *rpc_method_find(const char *name)
{
	for (size_t i = 0; i < RPC_METHOD__count; i++)
		if (str_eq(rpc_methods[i].name, name))
			return &rpc_methods[i];
	return NULL;
}
