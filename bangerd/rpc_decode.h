/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A request's text to a method and its proven parameters. JSON-RPC 2.0, stricter: one object a
 * line (no batches), always with an id (no notifications), params by name, and nothing in it that
 * the table does not know.
 */
#include <stdbool.h>
#include <stddef.h>

#include "bangerd/rpc_table.h"
#include "common/err.h"

struct json_object;

#define RPC_ID_MAX    128 /* bytes of a string id */
#define RPC_DEPTH_MAX 16
#define RPC_FDS_MAX   16 /* more than any method takes, so that one too many gets an answer */

struct rpc_envelope {
	struct json_object *root;
	/* The id as JSON text, "null" until it is known; in the tree, like all below. */
	const char *id;
	const char *method;
	struct json_object *params; /* NULL: none */
	size_t n_fds;
	bool progress;
};

/*
 * `v` is looked at before all else but the JSON itself: 1, or absent, else bad_version. *ret is
 * filled also on failure, as far as it went, so that the error finds its request; the caller calls
 * rpc_envelope_finish() in any case.
 */
int rpc_envelope_parse(const char *line, size_t len, struct rpc_envelope *ret, struct err *err);
void rpc_envelope_finish(struct rpc_envelope *e);

/*
 * The method's parameters into *ret_in (struct rpc_IDENT_in). Strings stay in the envelope's tree.
 * fds taken are set to -1 in `fds`; on failure none is. Fails with bad_request, which names the
 * parameter.
 */
int rpc_params_decode(const struct rpc_method_info *m, const struct rpc_envelope *e, int *fds,
	size_t n_fds, void **ret_in, struct err *err);

/* Take the fds out of it, to be closed where that may last (closer.h); how many, of which some may
 * be -1. */
size_t rpc_params_take_fds(const struct rpc_method_info *m, void *in, int ret[RPC_FDS_MAX]);

/* Free it, and close the fds that nobody took; NULL is allowed. */
void rpc_params_free(const struct rpc_method_info *m, void *in);
