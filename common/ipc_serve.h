/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * No include guard: for PROTO, PROTO_TABLE and PROTO_CTX (the server's context type) it declares a
 * handler for each message, to be written by the server,
 *   int on_NAME(PROTO_CTX *, struct PROTO_NAME_in *, struct PROTO_NAME_out *, struct err *);
 * and defines the static table `PROTO_handlers` for ipc_serve(). A handler takes fds of `in` with
 * TAKE_FD (those left are closed), and puts fds into `out` (they are closed once sent).
 */
#include "common/ipc.h"

#define MSG(n, s)                                                               \
	int on_##n(PROTO_CTX *, struct PD_CAT4(PROTO, _, n, _in) *,             \
		struct PD_CAT4(PROTO, _, n, _out) *, struct err *);             \
	static int call_on_##n(void *ctx, void *in, void *out, struct err *err) \
	{                                                                       \
		return on_##n(ctx, in, out, err);                               \
	}
#include PROTO_TABLE

static const ipc_handler PD_CAT3(PROTO, _, handlers)[PD_CAT3(PROTO, _msg_, _count)] = {
#define MSG(n, s) call_on_##n,
#include PROTO_TABLE
};

#undef PROTO
#undef PROTO_TABLE
#undef PROTO_CTX
