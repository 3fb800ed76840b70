/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/client.h"

#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "banger-cli/object.h"
#include "banger-cli/params.h"
#include "banger-cli/text.h"
#include "common/codec.h"
#include "common/fd.h"
#include "common/json.h"
#include "common/str.h"

/* No honest answer is longer: some 20,000 VMs in one list. */
#define ANSWER_MAX  ((size_t)8 << 20)
#define READ_SIZE   ((size_t)64 << 10)
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
	int fd;
	uint64_t last_id;
	char *in;
	size_t in_len, in_cap;
	int fds[FRAME_FDS];
	size_t n_fds;
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
	fd_close_many(c->fds, c->n_fds);
	fd_closep(&c->fd);
	free(c->in);
	free(c);
	*at = NULL;
}

static int connect_error(const char *path, int sys, struct err *err)
{
	if (sys == EACCES || sys == EPERM)
		return err_sys(err, ERR_unauthorized, sys,
			"cannot connect to the daemon at %s (it is to be open to everybody: "
			"'banger doctor' says more)",
			path);
	return err_sys(err, ERR_unavailable, sys,
		"cannot connect to the daemon at %s (is it running? start it with "
		"'systemctl start bangerd', or bangerd as root; --socket or BANGER_SOCKET name "
		"another one)",
		path);
}

int client_open(const char *path, struct client **ret, struct err *err)
{
	_cleanup_client_ struct client *c = calloc(1, sizeof(*c));
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if (!c)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot connect");
	for (size_t i = 0; i < PENDING_MAX; i++)
		c->pending[i].reply.fd = -1;
	c->fd = -1;
	if (!str_copy(sa.sun_path, sizeof(sa.sun_path), path))
		return err_set(err, ERR_bad_request,
			"the path of the daemon's socket is longer than %zu bytes: %s",
			sizeof(sa.sun_path) - 1, path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot make a socket");
	if (connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return connect_error(path, errno, err);
	if (fd_set_nonblock(c->fd, true) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot set up a socket");
	*ret = TAKE_PTR(c);
	return 0;
}

/* ---- sending ---- */

static ssize_t send_some(int fd, const char *p, size_t n, const int *fds, size_t n_fds)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * FRAME_FDS)];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)p, n };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds > 0) {
		struct cmsghdr *cm;

		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(cm), fds, sizeof(int) * n_fds);
	}
	return sendmsg(fd, &mh, MSG_NOSIGNAL);
}

/* All of a line; the fds with its first byte. */
static int send_line(
	struct client *c, const char *p, size_t n, const int *fds, size_t n_fds, struct err *err)
{
	while (n > 0) {
		ssize_t sent = send_some(c->fd, p, n, fds, n_fds);
		struct pollfd pfd = { .fd = c->fd, .events = POLLOUT };

		if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
			poll(&pfd, 1, -1);
			continue;
		}
		if (sent < 0)
			return err_sys(err, ERR_unavailable, errno, "cannot send to the daemon");
		p += sent;
		n -= (size_t)sent;
		n_fds = 0;
	}
	return 0;
}

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

	if (!place || n_fds > FRAME_FDS) {
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
	if (send_line(c, line, n + 1, fds, n_fds, err) < 0)
		return -1;
	place->id = ++c->last_id;
	*ret_id = place->id;
	return 0;
}

/* ---- receiving ---- */

static int broken(struct err *err, const char *what)
{
	return err_set(err, ERR_protocol, "the daemon answered %s", what);
}

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

/* The fds that a message says it has; the first is its reply's, others are nobody's. */
static int take_fds(struct client *c, int64_t n, int *ret_fd, struct err *err)
{
	if (n < 0 || (uint64_t)n > c->n_fds)
		return broken(err, "without the fd it announced");
	if (n == 0)
		return 0;
	*ret_fd = TAKE_FD(c->fds[0]);
	fd_close_many(c->fds, (size_t)n);
	c->n_fds -= (size_t)n;
	memmove(c->fds, c->fds + n, c->n_fds * sizeof(c->fds[0]));
	return 0;
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
		return broken(err, "what was not asked");
	if (take_fds(c, object_number(o, "fds", 0), &p->reply.fd, err) < 0)
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

static int on_line(struct client *c, const char *line, size_t n, struct err *err)
{
	_cleanup_json_ struct json_object *o = NULL;
	struct err why = ERR_INIT;
	const char *method;

	if (json_parse(line, n, DEPTH_MAX, &o, &why) < 0 ||
		!json_object_is_type(o, json_type_object))
		return broken(err, "with what is no JSON object");
	method = object_text(o, "method");
	if (!method)
		return on_answer(c, o, err);
	if (strcmp(method, "progress") == 0)
		on_progress(c, object_child(o, "params"));
	return 0;
}

static int on_bytes(struct client *c, size_t old_len, struct err *err)
{
	char *start = c->in, *newline;
	size_t scanned = old_len;

	while ((newline = memchr(c->in + scanned, '\n', c->in_len - scanned))) {
		if (on_line(c, start, (size_t)(newline - start), err) < 0)
			return -1;
		start = newline + 1;
		scanned = (size_t)(start - c->in);
	}
	c->in_len -= (size_t)(start - c->in);
	memmove(c->in, start, c->in_len);
	if (c->in_len >= ANSWER_MAX)
		return broken(err, "with a line without end");
	return 0;
}

static int keep_fds(struct client *c, struct msghdr *mh, struct err *err)
{
	bool too_many = mh->msg_flags & MSG_CTRUNC;

	for (struct cmsghdr *cm = CMSG_FIRSTHDR(mh); cm; cm = CMSG_NXTHDR(mh, cm)) {
		size_t n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cm) + i * sizeof(int), sizeof(int));
			if (c->n_fds < FRAME_FDS) {
				c->fds[c->n_fds++] = fd;
			} else {
				close(fd);
				too_many = true;
			}
		}
	}
	return too_many ? broken(err, "with too many fds") : 0;
}

/* Make room for READ_SIZE bytes. */
static int grow(struct client *c, struct err *err)
{
	size_t want = c->in_cap ? 2 * c->in_cap : 2 * READ_SIZE;
	char *p;

	if (c->in_cap - c->in_len >= READ_SIZE)
		return 0;
	p = realloc(c->in, want);
	if (!p)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read an answer");
	c->in = p;
	c->in_cap = want;
	return 0;
}

static int receive(struct client *c, struct err *err)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * FRAME_FDS)];
		struct cmsghdr align;
	} control;
	struct iovec iov;
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf) };
	size_t old_len = c->in_len;
	ssize_t n;

	if (grow(c, err) < 0)
		return -1;
	iov = (struct iovec){ c->in + c->in_len, c->in_cap - c->in_len };
	n = recvmsg(c->fd, &mh, MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		return err_sys(err, ERR_unavailable, errno, "lost the daemon");
	if (keep_fds(c, &mh, err) < 0)
		return -1;
	if (n == 0)
		return err_set(err, ERR_unavailable,
			"the daemon closed the connection (its log says why: journalctl -u "
			"bangerd)");
	c->in_len += (size_t)n;
	return on_bytes(c, old_len, err);
}

/* ---- waiting ---- */

static int wait_once(struct client *c, const struct client_wait *w, struct err *err)
{
	struct pollfd fds[1 + WATCHES_MAX] = { { .fd = c->fd, .events = POLLIN } };
	size_t n = w ? w->n_watches : 0;

	for (size_t i = 0; i < n && i < WATCHES_MAX; i++)
		fds[1 + i] = (struct pollfd){ .fd = w->watches[i].fd, .events = POLLIN };
	if (poll(fds, 1 + n, -1) < 0)
		return errno == EINTR ? 0
				      : err_sys(err, ERR_operation_failed, errno, "cannot wait");
	if (fds[0].revents && receive(c, &c->closed_why) < 0)
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
	return c->fd;
}

int client_look(struct client *c, uint64_t id, struct reply *ret, struct err *err)
{
	struct pending *p = find_pending(c, id);

	if (id == 0 || !p)
		return err_set(err, ERR_bad_request, "nothing to look for");
	if (!p->answered && !c->closed && receive(c, &c->closed_why) < 0)
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
