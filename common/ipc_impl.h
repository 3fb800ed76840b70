/* SPDX-License-Identifier: GPL-2.0-or-later */
/* No include guard: defines what ipc_decl.h declared, for the same PROTO and PROTO_TABLE. */
#include <stddef.h>

#include "common/ipc.h"

/* A table's IN and OUT lines do not know their message's name: a function's scope gives them its
 * structs under fixed names. */
#define MSG(n, s)                                                                        \
	static size_t PD_CAT4(PROTO, _, n, _fields)(const struct field **ret)            \
	{                                                                                \
		typedef struct PD_CAT4(PROTO, _, n, _in) in_t __attribute__((unused));   \
		typedef struct PD_CAT4(PROTO, _, n, _out) out_t __attribute__((unused)); \
		static const struct field fields[] = {
#define IN(t, f)  { FT_##t, DIR_IN, offsetof(in_t, f), #f },
#define OUT(t, f) { FT_##t, DIR_OUT, offsetof(out_t, f), #f },
#define END(n)                         \
	{                              \
		FT_u8, DIR_IN, 0, NULL \
	}                              \
	}                              \
	;                              \
	*ret = fields;                 \
	return ARRAY_SIZE(fields) - 1; \
	}
#include PROTO_TABLE

static struct message PD_CAT3(PROTO, _, messages)[PD_CAT3(PROTO, _msg_, _count)] = {
#define MSG(n, s)                                                    \
	{ #n, #s, NULL, 0, sizeof(struct PD_CAT4(PROTO, _, n, _in)), \
		sizeof(struct PD_CAT4(PROTO, _, n, _out)) },
#include PROTO_TABLE
};

/* The field arrays live in functions, so the links are made once, before main. */
__attribute__((constructor)) static void PD_CAT3(PROTO, _, link)(void)
{
	struct message *m = PD_CAT3(PROTO, _, messages);

#define MSG(n, s)                                                \
	m->n_fields = PD_CAT4(PROTO, _, n, _fields)(&m->fields); \
	m++;
#include PROTO_TABLE
}

#define PD_STR_(x) #x
#define PD_STR(x)  PD_STR_(x)
const struct protocol PD_CAT3(PROTO, _, protocol) = { PD_STR(PROTO), PD_CAT3(PROTO, _, messages),
	PD_CAT3(PROTO, _msg_, _count) };

#define MSG(n, s)                                                                              \
	int PD_CAT3(PROTO, _, n)(struct ipc * ch, const struct PD_CAT4(PROTO, _, n, _in) * in, \
		struct PD_CAT4(PROTO, _, n, _out) * out, struct err * err)                     \
	{                                                                                      \
		return ipc_call(ch, PD_CAT3(PROTO, _msg_, n), in, out, err);                   \
	}
#include PROTO_TABLE

#undef PD_STR
#undef PD_STR_
#undef PROTO
#undef PROTO_TABLE
