/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The one error type. A function that can fail takes `struct err *err` as its last parameter,
 * fills it exactly when it returns -1, and leaves it alone on success. A message says what failed,
 * on what, and what the user can do; it carries no trailing newline or full stop.
 */

enum err_code {
#define ERR(name, rpc, text) ERR_##name,
#include "common/proto/errors.tbl.h"
	ERR__count
};

#define ERR_MSG_MAX 512

struct err {
	enum err_code code;
	int sys; /* the errno behind it, or 0 */
	char msg[ERR_MSG_MAX];
};

#define ERR_INIT                 \
	{                        \
		.code = ERR_none \
	}

/* What the three below return: always -1, which compilers and analyzers see this way. */
static inline int err_failed(int r)
{
	(void)r;
	return -1;
}

/* Fill *err; always -1, so that `return err_set(…)` reads well. A message too long is cut. */
#define err_set(...) err_failed(err_set_(__VA_ARGS__))
int err_set_(struct err *err, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same with ": strerror(sys)" behind the message; `sys` is an errno value. */
#define err_sys(...) err_failed(err_sys_(__VA_ARGS__))
int err_sys_(struct err *err, enum err_code code, int sys, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Put "context: " before the message that *err has already; always -1. */
#define err_wrap(...) err_failed(err_wrap_(__VA_ARGS__))
int err_wrap_(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The code's name ("not_found"); static storage. */
const char *err_code_name(enum err_code code);

/* The code's JSON-RPC 2.0 error number. */
int err_code_rpc(enum err_code code);

/* The code of a name, or ERR__count when there is none. */
enum err_code err_code_from_name(const char *name);
