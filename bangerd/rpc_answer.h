/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Responses and notifications as the lines that are sent. */
#include <stddef.h>
#include <stdint.h>

#include "bangerd/operations.h"
#include "common/err.h"

struct json_object;

/* Heap strings with their newline, *ret_len long; NULL without memory. `id` is JSON text. */
char *rpc_answer_result(const char *id, struct json_object *result, size_t n_fds, size_t *ret_len);
char *rpc_answer_error(const char *id, const struct err *e, uint64_t op, size_t *ret_len);

/* A `progress` notification; `v->name` NULL: of a request that is no operation. */
char *rpc_answer_progress(const char *id, const struct operation_view *v, size_t *ret_len);
