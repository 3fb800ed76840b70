/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * No include guard: for the table PROTO_TABLE of the protocol PROTO it declares
 *   enum PROTO_message { PROTO_msg_NAME… }, struct PROTO_NAME_in / _out,
 *   extern const struct protocol PROTO_protocol,
 * and the stubs `int PROTO_NAME(struct ipc *, const in *, out *, struct err *)`.
 * Use: #define PROTO netd / #define PROTO_TABLE "common/proto/netd.tbl.h" / #include this.
 */
#include "common/codec.h"

#define PD_CAT3_(a, b, c)    a##b##c
#define PD_CAT3(a, b, c)     PD_CAT3_(a, b, c)
#define PD_CAT4_(a, b, c, d) a##b##c##d
#define PD_CAT4(a, b, c, d)  PD_CAT4_(a, b, c, d)

struct ipc;

enum PD_CAT3(PROTO, _, message) {
#define MSG(n, s) PD_CAT3(PROTO, _msg_, n),
#include PROTO_TABLE
	PD_CAT3(PROTO, _msg_, _count)
};

/* __extension__: a message without fields is an empty struct. */
#define MSG(n, s) __extension__ struct PD_CAT4(PROTO, _, n, _in) {
#define IN(t, f)  CT_##t f;
#define END(n) \
	}      \
	;
#include PROTO_TABLE

#define MSG(n, s) __extension__ struct PD_CAT4(PROTO, _, n, _out) {
#define OUT(t, f) CT_##t f;
#define END(n) \
	}      \
	;
#include PROTO_TABLE

#define MSG(n, s)                                                                        \
	int PD_CAT3(PROTO, _, n)(struct ipc *, const struct PD_CAT4(PROTO, _, n, _in) *, \
		struct PD_CAT4(PROTO, _, n, _out) *, struct err *);
#include PROTO_TABLE

extern const struct protocol PD_CAT3(PROTO, _, protocol);

#undef PROTO
#undef PROTO_TABLE
