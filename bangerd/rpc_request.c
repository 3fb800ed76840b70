/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/rpc_request.h"

#include <errno.h>
#include <json-c/json_object.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "bangerd/call.h"
#include "bangerd/closer.h"
#include "bangerd/loop.h"
#include "bangerd/operations.h"
#include "bangerd/reply.h"
#include "bangerd/rpc_answer.h"
#include "bangerd/vm_await.h"
#include "bangerd/vm_json.h"
#include "bangerd/work.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"

#define PROGRESS_MS 50 /* between two notifications of one stage */

struct request {
	struct call call;
	struct conn *conn; /* a reference */
	struct rpc_envelope envelope;
	const struct rpc_method_info *method;
	void *in;
	struct work_item work;
	/* What a worker made of it. */
	char *answer;
	size_t answer_len;
	/* The last notification sent: under progress_lock. */
	int64_t noticed_ms;
	const char *noticed_stage;
	/* Of class stream: */
	struct operation_watcher watcher;
	struct vm_await await;
	struct request *next, **at; /* in the list; at NULL: not in it */
};

struct notice {
	struct loop_task task;
	struct request *request;
	size_t len;
	char *line;
};

typedef int (*handler)(struct call *, void *, struct json_object **, struct err *);

#define METHOD(ident, name, class, access, doc)                                                \
	static int call_##ident(                                                               \
		struct call *call, void *in, struct json_object **ret_result, struct err *err) \
	{                                                                                      \
		return rpc_##ident(call, in, ret_result, err);                                 \
	}
#include "common/proto/rpc.tbl.h"

static const handler handlers[RPC_METHOD__count] = {
#define METHOD(ident, name, class, access, doc) call_##ident,
#include "common/proto/rpc.tbl.h"
};

static pthread_mutex_t progress_lock = PTHREAD_MUTEX_INITIALIZER;

#define REQUEST_OF(ptr, member) \
	((struct request *)(void *)((char *)(ptr)-offsetof(struct request, member)))

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Ids to find one request by, in logs: unique, not secret (splitmix64). */
static uint64_t next_op(void)
{
	static uint64_t state;
	uint64_t z;

	if (state == 0 && getrandom(&state, sizeof(state), 0) < 0)
		state = (uint64_t)time(NULL);
	z = state += 0x9e3779b97f4a7c15ULL;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* ---- ends ---- */

static void list_remove(struct request *r)
{
	if (!r->at)
		return;
	*r->at = r->next;
	if (r->next)
		r->next->at = r->at;
	r->at = NULL;
}

static void list_add(struct request_list *list, struct request *r)
{
	r->next = list->first;
	r->at = &list->first;
	if (r->next)
		r->next->at = &r->next;
	list->first = r;
}

static void request_free(struct request *r)
{
	bool listed = r->at != NULL;
	int fds[RPC_FDS_MAX];

	list_remove(r);
	if (r->in) {
		closer_close_many(r->call.uid, fds, rpc_params_take_fds(r->method, r->in, fds));
		rpc_params_free(r->method, r->in);
	}
	rpc_envelope_finish(&r->envelope);
	fd_closep(&r->call.cancel_fd);
	fd_closep(&r->call.reply_fd);
	free(r->answer);
	if (listed)
		conn_request_end(r->conn);
	conn_unref(r->conn);
	free(r);
}

/* The answer's line into r->answer. Any thread. */
static void make_answer(struct request *r, struct json_object *result, const struct err *e)
{
	if (e->code == ERR_none)
		r->answer = rpc_answer_result(
			r->envelope.id, result, r->call.reply_fd >= 0, &r->answer_len);
	else
		r->answer = rpc_answer_error(r->envelope.id, e, r->call.op, &r->answer_len);
	if (e->code != ERR_none)
		fd_closep(&r->call.reply_fd);
	json_object_put(result);
}

/* Send it, and end the request. */
static void send_answer(struct request *r)
{
	if (r->answer) {
		conn_send(r->conn, r->answer, r->answer_len, TAKE_FD(r->call.reply_fd));
	} else {
		log_error("no memory for an answer: connection closed");
		conn_close_soon(r->conn);
	}
	request_free(r);
}

static void answer(struct request *r, struct json_object *result, const struct err *e)
{
	make_answer(r, result, e);
	send_answer(r);
}

/* ---- workers ---- */

static int run_handler(struct request *r, struct json_object **ret, struct err *err)
{
	return handlers[r->method - rpc_methods](&r->call, r->in, ret, err);
}

static void work_run(struct work_item *item)
{
	struct request *r = REQUEST_OF(item, work);
	struct json_object *result = NULL;
	struct err err = ERR_INIT;
	int64_t begun = now_ms();

	if (run_handler(r, &result, &err) < 0)
		log_info("uid %u %s: %s: %s (%lld ms)", (unsigned)r->call.uid, r->method->name,
			err_code_name(err.code), err.msg, (long long)(now_ms() - begun));
	else
		log_info("uid %u %s: done (%lld ms)", (unsigned)r->call.uid, r->method->name,
			(long long)(now_ms() - begun));
	make_answer(r, result, &err);
}

static void work_done(struct work_item *item)
{
	send_answer(REQUEST_OF(item, work));
}

static int submit(struct request *r, struct err *err)
{
	enum work_class class = WORK_CALL;

	if (r->method->class == RPC_CLASS_long)
		class = WORK_LONG;
	else if (r->method->class == RPC_CLASS_urgent)
		class = WORK_URGENT;
	r->call.cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->call.cancel_fd < 0)
		return err_sys(err, ERR_unavailable, errno, "cannot begin the request");
	r->work = (struct work_item){ .run = work_run,
		.done = work_done,
		.uid = r->call.uid,
		.class = class,
		.op = r->call.op };
	return work_submit(r->call.services->work, &r->work, err);
}

/* ---- progress ---- */

static void send_notice(struct loop_task *task)
{
	struct notice *n = (struct notice *)(void *)((char *)task - offsetof(struct notice, task));

	conn_send_lossy(n->request->conn, n->line, n->len);
	free(n->line);
	free(n);
}

static bool notice_is_due(struct request *r, const char *stage, uint64_t done, uint64_t total)
{
	int64_t now = now_ms();
	bool due;

	pthread_mutex_lock(&progress_lock);
	due = !str_eq(r->noticed_stage, stage) || (total > 0 && done == total) ||
	      now - r->noticed_ms >= PROGRESS_MS;
	if (due) {
		r->noticed_ms = now;
		r->noticed_stage = stage;
	}
	pthread_mutex_unlock(&progress_lock);
	return due;
}

void call_progress(struct call *call, const char *stage, unsigned index, unsigned count,
	uint64_t done, uint64_t total)
{
	struct request *r = REQUEST_OF(call, call);
	const struct operation_view v = {
		.stage = stage, .index = index, .count = count, .done = done, .total = total
	};
	struct notice *n;

	if (!r->envelope.progress || !notice_is_due(r, stage, done, total))
		return;
	n = calloc(1, sizeof(*n));
	if (n)
		n->line = rpc_answer_progress(r->envelope.id, &v, &n->len);
	if (!n || !n->line) {
		free(n);
		return;
	}
	/* The request is freed by what the same worker posts behind this. */
	n->request = r;
	n->task.run = send_notice;
	loop_post(call->services->loop, &n->task);
}

static void watch_changed(struct operation_watcher *w, const struct operation_view *v)
{
	struct request *r = REQUEST_OF(w, watcher);
	size_t len;
	char *line = rpc_answer_progress(r->envelope.id, v, &len);

	if (line)
		conn_send_lossy(r->conn, line, len);
	free(line);
}

static void watch_ended(struct operation_watcher *w, struct operation *o)
{
	struct request *r = REQUEST_OF(w, watcher);
	struct json_object *described, *result = NULL;
	struct err err = ERR_INIT;

	if (operation_describe(o, &described, &err) == 0)
		(void)reply_single("operation", described, &result, &err);
	answer(r, result, &err);
}

void call_watch(struct call *call, struct operation *o)
{
	struct request *r = REQUEST_OF(call, call);

	r->watcher.changed = watch_changed;
	r->watcher.ended = watch_ended;
	operation_watch(o, &r->watcher);
	operation_unref(o);
}

static void await_done(struct vm_await *a, struct vm *vm_taken)
{
	_cleanup_vm_ struct vm *vm = vm_taken;
	struct request *r = REQUEST_OF(a, await);
	struct json_object *described, *result = NULL;
	struct err err = ERR_INIT;

	if (vm_describe(vm, false, &described, &err) == 0)
		(void)reply_single("vm", described, &result, &err);
	answer(r, result, &err);
}

void call_await(struct call *call, struct vm *vm, bool paused)
{
	struct request *r = REQUEST_OF(call, call);

	r->await.done = await_done;
	vm_await(vm, paused ? VM_PAUSED : VM_RUNNING, &r->await);
}

/* ---- begins ---- */

static int check_fds(const struct rpc_envelope *e, const struct conn_fds *fds, struct err *err)
{
	if (fds->stray)
		return err_set(err, ERR_bad_request,
			"file descriptors must come with the first byte of a request");
	if (e->n_fds > fds->n || (fds->exact && e->n_fds != fds->n))
		return err_set(err, ERR_bad_request,
			"`fds` says %zu, but %zu file descriptors came with the request", e->n_fds,
			fds->n);
	return 0;
}

static int prepare(
	struct request *r, const char *line, size_t len, struct conn_fds *fds, struct err *err)
{
	if (rpc_envelope_parse(line, len, &r->envelope, err) < 0 ||
		check_fds(&r->envelope, fds, err) < 0)
		return -1;
	r->method = rpc_method_find(r->envelope.method);
	if (!r->method)
		return err_set(err, ERR_unknown_method, "no method '%s'",
			str_printable(r->envelope.method, true) ? r->envelope.method : "?");
	if (r->method->access == RPC_ACCESS_root && r->call.uid != 0)
		return err_set(err, ERR_unauthorized, "%s is for root alone", r->method->name);
	return rpc_params_decode(r->method, &r->envelope, fds->fd, r->envelope.n_fds, &r->in, err);
}

/* On the loop, at once. True when the request goes on and will be answered later. */
static bool run_now(struct request *r, struct json_object **ret, struct err *err)
{
	int n;

	log_set_op(r->call.op);
	n = run_handler(r, ret, err);
	if (n < 0)
		log_debug("uid %u %s: %s: %s", (unsigned)r->call.uid, r->method->name,
			err_code_name(err->code), err->msg);
	log_set_op(0);
	return n == 0 && r->method->class == RPC_CLASS_stream;
}

void request_begin(const struct services *services, struct request_list *list, struct conn *conn,
	const char *line, size_t len, struct conn_fds *fds)
{
	struct request *r = calloc(1, sizeof(*r));
	struct json_object *result = NULL;
	struct err err = ERR_INIT;
	bool later;

	if (!r) {
		conn_close_soon(conn);
		return;
	}
	r->call = (struct call){ .services = services,
		.uid = conn_peer(conn)->uid,
		.pid = conn_peer(conn)->pid,
		.op = next_op(),
		.connection = conn_id(conn),
		.cancel_fd = -1,
		.reply_fd = -1 };
	r->conn = conn_ref(conn);
	r->envelope.id = "null";
	if (prepare(r, line, len, fds, &err) < 0)
		later = false;
	else if (r->method->class == RPC_CLASS_inline || r->method->class == RPC_CLASS_stream)
		later = run_now(r, &result, &err);
	else
		later = submit(r, &err) == 0;
	if (later) {
		list_add(list, r);
		conn_request_begin(conn);
	} else {
		answer(r, result, &err);
	}
}

void request_cancel_all(struct request_list *list, const struct conn *conn)
{
	const uint64_t one = 1;
	struct request *next;

	for (struct request *r = list->first; r; r = next) {
		next = r->next;
		if (r->conn != conn)
			continue;
		if (r->method->class == RPC_CLASS_stream) {
			operation_unwatch(&r->watcher);
			vm_unref(vm_await_end(&r->await));
			request_free(r);
		} else {
			/* Full, it is readable as well. */
			(void)!write(r->call.cancel_fd, &one, sizeof(one));
		}
	}
}
