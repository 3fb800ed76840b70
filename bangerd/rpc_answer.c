/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/rpc_answer.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bangerd/reply.h"
#include "common/str.h"

#define PLAIN (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

/* head + object as text + tail. */
static char *join(const char *head, struct json_object *o, const char *tail, size_t *ret_len)
{
	size_t head_len = strlen(head), n, tail_len = strlen(tail), len;
	const char *body = json_object_to_json_string_length(o, PLAIN, &n);
	char *line;

	if (!body || ckd_add(&len, head_len + tail_len, n) || !(line = malloc(len + 1)))
		return NULL;
	memcpy(line, head, head_len);
	memcpy(line + head_len, body, n);
	memcpy(line + head_len + n, tail, tail_len + 1);
	*ret_len = len;
	return line;
}

/* An id is at most RPC_ID_MAX bytes, each at most six as JSON text (\u001f), and two quotes. */
#define HEAD_MAX 1024

char *rpc_answer_result(const char *id, struct json_object *result, size_t n_fds, size_t *ret_len)
{
	char head[HEAD_MAX], fds[32] = "";
	struct json_object *empty;
	char *line;

	if (n_fds > 0)
		str_format(fds, sizeof(fds), "\"fds\":%zu,", n_fds);
	if (!str_format(
		    head, sizeof(head), "{\"jsonrpc\":\"2.0\",\"id\":%s,%s\"result\":", id, fds))
		return NULL;
	if (result)
		return join(head, result, "}\n", ret_len);
	empty = json_object_new_object();
	line = empty ? join(head, empty, "}\n", ret_len) : NULL;
	json_object_put(empty);
	return line;
}

char *rpc_answer_error(const char *id, const struct err *e, uint64_t op, size_t *ret_len)
{
	struct reply r, data;
	struct json_object *o;
	char head[HEAD_MAX], hex[17];
	char *line;

	snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)op);
	reply_begin(&data);
	reply_string(&data, "code", err_code_name(e->code));
	reply_string(&data, "op", hex);
	reply_begin(&r);
	reply_int(&r, "code", err_code_rpc(e->code));
	reply_string(&r, "message", e->msg);
	reply_object(&r, "data", reply_take(&data));
	o = reply_take(&r);
	if (!o)
		return NULL;
	line = str_format(head, sizeof(head), "{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":", id)
		       ? join(head, o, "}\n", ret_len)
		       : NULL;
	json_object_put(o);
	return line;
}

char *rpc_answer_progress(const char *id, const struct operation_view *v, size_t *ret_len)
{
	struct reply r;
	struct json_object *o;
	char head[HEAD_MAX];
	char *line = NULL;

	reply_begin(&r);
	if (v->name)
		reply_string(&r, "operation", v->name);
	reply_string(&r, "stage", v->stage);
	reply_int(&r, "index", v->index);
	reply_int(&r, "count", v->count);
	reply_int(&r, "done", (int64_t)v->done);
	reply_int(&r, "total", (int64_t)v->total);
	o = reply_take(&r);
	if (!o)
		return NULL;
	/* The id is JSON text already: it goes in front of the object's own members. */
	if (str_format(head, sizeof(head),
		    "{\"jsonrpc\":\"2.0\",\"method\":\"progress\",\"params\":{\"id\":%s,", id)) {
		line = join(head, o, "}\n", ret_len);
		/* …,{"stage": becomes …,"stage": */
		if (line) {
			size_t at = strlen(head);

			memmove(line + at, line + at + 1, *ret_len - at);
			(*ret_len)--;
		}
	}
	json_object_put(o);
	return line;
}
