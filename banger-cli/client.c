/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/client.h"

#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banger-cli/object.h"
#include "banger-cli/params.h"
#include "banger-cli/text.h"
#include "banger-cli/wire.h"
#include "common/fd.h"
#include "common/json.h"
#include "common/str.h"

#define PENDING_MAX 64
#define WATCHES_MAX 4
#define DEPTH_MAX   16

/* A request whose answer is not taken yet. id 0: the place is free. */
struct pending {
	uint64_t id;
	bool answered, failed;
	struct err failure;
	struct reply reply;
};

struct client {
	struct wire wire;
	uint64_t last_id;
	bool closed;
	struct err closed_why;
	struct pending pending[PENDING_MAX];
	const struct client_wait *wait; /* during client_wait() */
	uint64_t wait_id;
};

static const char *const method_names[RPC_METHOD__count] = {
#define METHOD(ident, name, class, access, doc) name,
#include "common/proto/rpc.tbl.h"
};

void reply_finish(struct reply *r)
{
	json_object_put(r->result);
	r->result = NULL;
	fd_closep(&r->fd);
}

void client_closep(struct client **at)
{
	struct client *c = *at;

	if (!c)
		return;
	for (size_t i = 0; i < PENDING_MAX; i++)
		reply_finish(&c->pending[i].reply);
	wire_close(&c->wire);
	free(c);
	*at = NULL;
}

int client_open(const char *path, struct client **ret, struct err *err)
{
	_cleanup_client_ struct client *c = calloc(1, sizeof(*c));

	if (!c)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot connect");
	for (size_t i = 0; i < PENDING_MAX; i++)
		c->pending[i].reply.fd = -1;
	c->wire = (struct wire)WIRE_INIT;
	if (wire_open(path, &c->wire, err) < 0)
		return -1;
	*ret = TAKE_PTR(c);
	return 0;
}

/* ---- sending ---- */

static struct pending *find_pending(struct client *c, uint64_t id)
{
	for (size_t i = 0; i < PENDING_MAX; i++)
		if (c->pending[i].id == id)
			return &c->pending[i];
	return NULL;
}

/* A request as an object; takes params. NULL when memory is out. */
static struct json_object *request(enum rpc_method method, uint64_t id, struct json_object *params,
	size_t n_fds, bool progress)
{
	struct json_object *o = json_object_new_object();

	if (!o) {
		json_object_put(params);
		return NULL;
	}
	json_object_object_add(o, "jsonrpc", json_object_new_string("2.0"));
	json_object_object_add(o, "id", json_object_new_int64((int64_t)id));
	json_object_object_add(o, "method", json_object_new_string(method_names[method]));
	if (params)
		json_object_object_add(o, "params", params);
	if (n_fds > 0)
		json_object_object_add(o, "fds", json_object_new_int((int)n_fds));
	if (progress)
		json_object_object_add(o, "progress", json_object_new_boolean(true));
	return o;
}

int client_send(struct client *c, enum rpc_method method, struct json_object *params,
	const int *fds, size_t n_fds, bool progress, uint64_t *ret_id, struct err *err)
{
	struct pending *place = find_pending(c, 0);
	_cleanup_free_ char *line = NULL;
	struct json_object *o;
	const char *plain;
	size_t n;

	if (!place || n_fds > FD_PASS_MAX) {
		json_object_put(params);
		return err_set(err, ERR_busy, "too many requests at once");
	}
	o = request(method, c->last_id + 1, params, n_fds, progress);
	plain = o ? json_object_to_json_string_length(
			    o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &n)
		  : NULL;
	line = plain ? malloc(n + 1) : NULL;
	if (line) {
		memcpy(line, plain, n);
		line[n] = '\n';
	}
	json_object_put(o);
	if (!line)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot write a request");
	if (n > RPC_LINE_MAX)
		return err_set(err, ERR_bad_request,
			"the command and its environment are too long: %zu bytes of at most %d", n,
			RPC_LINE_MAX);
	if (wire_send(&c->wire, line, n + 1, fds, n_fds, err) < 0)
		return -1;
	place->id = ++c->last_id;
	*ret_id = place->id;
	return 0;
}

/* ---- receiving ---- */

static void on_progress(struct client *c, struct json_object *params)
{
	struct stage s = { 0 };
	const char *name = object_text(params, "stage");
	int64_t id = object_number(params, "id", 0);

	if (!c->wait || !c->wait->on_stage || !name || id < 0 || (uint64_t)id != c->wait_id)
		return;
	snprintf(s.name, sizeof(s.name), "%s", name);
	text_clean_in_place(s.name);
	s.index = (unsigned)object_number(params, "index", 0);
	s.count = (unsigned)object_number(params, "count", 0);
	s.done = (uint64_t)object_number(params, "done", 0);
	s.total = (uint64_t)object_number(params, "total", 0);
	c->wait->on_stage(c->wait->ctx, &s);
}

/* The daemon's error as ours. */
static void take_error(struct json_object *error, struct err *ret)
{
	const char *message = object_text(error, "message");
	struct json_object *data = object_child(error, "data");
	const char *name = object_text(data, "code"), *op = object_text(data, "op");
	enum err_code code = name ? err_code_from_name(name) : ERR_operation_failed;
	bool internal;

	if (code == ERR__count || code == ERR_none)
		code = ERR_operation_failed;
	internal = code == ERR_operation_failed || code == ERR_protocol;
	err_set(ret, code, "%s%s%s%s", message ? message : "", internal && op ? " (operation " : "",
		internal && op ? op : "", internal && op ? ")" : "");
	text_clean_in_place(ret->msg);
}

static int on_answer(struct client *c, struct json_object *o, struct err *err)
{
	struct json_object *result = object_child(o, "result"), *error = object_child(o, "error");
	int64_t id = object_number(o, "id", 0);
	struct pending *p = id > 0 ? find_pending(c, (uint64_t)id) : NULL;

	if (!p && error) {
		/* To a request that it could not read: nothing of ours, or a defect. */
		take_error(error, err);
		return err_wrap(err, "the daemon refused a message");
	}
	if (!p || p->answered || !result == !error)
		return wire_broken(err, "what was not asked");
	if (wire_take_fds(&c->wire, object_number(o, "fds", 0), &p->reply.fd, err) < 0)
		return -1;
	p->answered = true;
	if (error) {
		p->failed = true;
		take_error(error, &p->failure);
	} else {
		p->reply.result = json_object_get(result);
	}
	return 0;
}

static int on_line(void *ctx, const char *line, size_t n, struct err *err)
{
	_cleanup_json_ struct json_object *o = NULL;
	struct client *c = ctx;
	struct err why = ERR_INIT;
	const char *method;

	if (json_parse(line, n, DEPTH_MAX, &o, &why) < 0 ||
		!json_object_is_type(o, json_type_object))
		return wire_broken(err, "with what is no JSON object");
	method = object_text(o, "method");
	if (!method)
		return on_answer(c, o, err);
	if (strcmp(method, "progress") == 0)
		on_progress(c, object_child(o, "params"));
	return 0;
}

/* ---- waiting ---- */

static int wait_once(struct client *c, const struct client_wait *w, struct err *err)
{
	struct pollfd fds[1 + WATCHES_MAX] = { { .fd = c->wire.fd, .events = POLLIN } };
	size_t n = w ? w->n_watches : 0;

	for (size_t i = 0; i < n && i < WATCHES_MAX; i++)
		fds[1 + i] = (struct pollfd){ .fd = w->watches[i].fd, .events = POLLIN };
	if (poll(fds, 1 + n, -1) < 0)
		return errno == EINTR ? 0
				      : err_sys(err, ERR_operation_failed, errno, "cannot wait");
	if (fds[0].revents && wire_receive(&c->wire, on_line, c, &c->closed_why) < 0)
		c->closed = true;
	for (size_t i = 0; i < n; i++)
		if (fds[1 + i].revents && w->watches[i].ready(&w->watches[i], err) < 0)
			return -1;
	return 0;
}

/* Of a request that is answered, or never will be. */
static int take_answer(struct client *c, struct pending *p, struct reply *ret, struct err *err)
{
	if (!p->answered) {
		*err = c->closed_why;
		return -1;
	}
	p->id = 0;
	p->answered = false;
	if (p->failed) {
		p->failed = false;
		reply_finish(&p->reply);
		*err = p->failure;
		return -1;
	}
	*ret = p->reply;
	p->reply = (struct reply)REPLY_INIT;
	return 0;
}

int client_wait(struct client *c, uint64_t id, const struct client_wait *w, struct reply *ret,
	struct err *err)
{
	struct pending *p = find_pending(c, id);
	int r = 0;

	if (id == 0 || !p || (w && w->n_watches > WATCHES_MAX))
		return err_set(err, ERR_bad_request, "nothing to wait for");
	c->wait = w;
	c->wait_id = id;
	while (r == 0 && !p->answered && !c->closed)
		r = wait_once(c, w, err);
	c->wait = NULL;
	return r < 0 ? -1 : take_answer(c, p, ret, err);
}

int client_fd(const struct client *c)
{
	return c->wire.fd;
}

int client_look(struct client *c, uint64_t id, struct reply *ret, struct err *err)
{
	struct pending *p = find_pending(c, id);

	if (id == 0 || !p)
		return err_set(err, ERR_bad_request, "nothing to look for");
	if (!p->answered && !c->closed && wire_receive(&c->wire, on_line, c, &c->closed_why) < 0)
		c->closed = true;
	if (!p->answered && !c->closed)
		return 0;
	return take_answer(c, p, ret, err) < 0 ? -1 : 1;
}

int client_call(struct client *c, enum rpc_method method, struct json_object *params,
	struct reply *ret, struct err *err)
{
	uint64_t id;

	if (client_send(c, method, params, NULL, 0, false, &id, err) < 0)
		return -1;
	return client_wait(c, id, NULL, ret, err);
}

int client_ask(struct client *c, enum rpc_method method, const char *name, const char *value,
	struct reply *ret, struct err *err)
{
	struct json_object *params;
	struct params p;

	params_init(&p);
	params_text(&p, name, value);
	params = params_finish(&p, err);
	return params ? client_call(c, method, params, ret, err) : -1;
}
