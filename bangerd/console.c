/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bangerd/closer.h"
#include "bangerd/halt_words.h"
#include "common/fd.h"
#include "common/str.h"

#define LOG_MIN	   4096
#define CLIENT_OUT 65536 /* what an attached client may be behind */
#define INPUT_MAX  4096	 /* typed and not yet taken by the VMM */
#define READ_SIZE  16384
#define READS_MAX  64 /* of one turn: other VMs want theirs */

/* out[at … len) waits to be taken. */
struct client {
	struct console *console;
	struct client *next;
	int fd;
	struct watch *watch;
	uint8_t *out;
	size_t cap, at, len;
	bool input_ended, closing;
};

struct console {
	struct watches *watches;
	uid_t owner; /* who attaches */
	int dirfd, log;
	uint64_t log_size, log_max;
	int vmm, vmm_in; /* what the guest writes, and reads; -1: the VM does not run */
	struct watch *vmm_watch, *in_watch;
	uint8_t input[INPUT_MAX];
	size_t input_len;
	struct client *clients;
	unsigned n_clients;
	struct halt_words last_words;
	void (*on_halt)(void *ctx);
	void *on_halt_ctx;
};

/* ---- the log ---- */

static int open_log(struct console *c, struct err *err)
{
	off_t size;

	c->log = openat(
		c->dirfd, CONSOLE_LOG, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	size = c->log < 0 ? -1 : lseek(c->log, 0, SEEK_END);
	if (size < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open the console's log");
	c->log_size = (uint64_t)size;
	return 0;
}

/* A log that cannot be written (full disk) loses bytes; the VM goes on. */
static void log_append(struct console *c, const uint8_t *p, size_t n)
{
	struct err why = ERR_INIT;

	if (c->log_size + n > c->log_max / 2 && c->log_size > 0) {
		fd_closep(&c->log);
		renameat(c->dirfd, CONSOLE_LOG, c->dirfd, CONSOLE_LOG_BEFORE);
		if (open_log(c, &why) < 0)
			return;
	}
	if (c->log >= 0 && fd_write_full(c->log, p, n) == 0)
		c->log_size += n;
}

static size_t read_into(int dirfd, const char *name, uint8_t *dst, size_t cap)
{
	_cleanup_fd_ int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : fd_read_full(fd, dst, cap);

	return n < 0 ? 0 : (size_t)n;
}

/* All that is kept, oldest first, on the heap. */
static int read_log(struct console *c, uint8_t **ret, size_t *ret_n, struct err *err)
{
	size_t cap = (size_t)c->log_max + 2 * READ_SIZE, n;
	uint8_t *p = malloc(cap);

	if (!p)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read the console's log");
	n = read_into(c->dirfd, CONSOLE_LOG_BEFORE, p, cap);
	n += read_into(c->dirfd, CONSOLE_LOG, p + n, cap - n);
	*ret = p;
	*ret_n = n;
	return 0;
}

/* ---- clients ---- */

static void client_drop(struct client *cl)
{
	struct console *c = cl->console;

	for (struct client **p = &c->clients; *p; p = &(*p)->next)
		if (*p == cl) {
			*p = cl->next;
			c->n_clients--;
			break;
		}
	watch_remove(&cl->watch);
	closer_hang_up(c->owner, &cl->fd);
	free(cl->out);
	free(cl);
}

static uint32_t client_events(const struct client *cl)
{
	bool reads = !cl->input_ended && cl->console->input_len < INPUT_MAX;

	return (reads ? EPOLLIN : 0U) | (cl->len > cl->at || cl->closing ? EPOLLOUT : 0U);
}

/* Write what waits; true when the client is gone (and dropped). */
static bool client_flush(struct client *cl)
{
	while (cl->at < cl->len) {
		ssize_t n = send(cl->fd, cl->out + cl->at, cl->len - cl->at, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			watch_set(cl->watch, client_events(cl));
			return false;
		}
		if (n < 0) {
			client_drop(cl);
			return true;
		}
		cl->at += (size_t)n;
	}
	cl->at = cl->len = 0;
	if (cl->closing) {
		client_drop(cl);
		return true;
	}
	watch_set(cl->watch, client_events(cl));
	return false;
}

static void client_put(struct client *cl, const uint8_t *p, size_t n)
{
	size_t room;

	if (cl->closing)
		return;
	memmove(cl->out, cl->out + cl->at, cl->len - cl->at);
	cl->len -= cl->at;
	cl->at = 0;
	room = cl->cap - cl->len;
	memcpy(cl->out + cl->len, p, n < room ? n : room);
	cl->len += n < room ? n : room;
	client_flush(cl);
}

static void clients_rewatch(struct console *c)
{
	for (struct client *cl = c->clients; cl; cl = cl->next)
		watch_set(cl->watch, client_events(cl));
}

/* Write what was typed; what the VMM does not take now waits for EPOLLOUT. */
static void input_flush(struct console *c)
{
	size_t done = 0;

	while (c->vmm_in >= 0 && done < c->input_len) {
		ssize_t n = write(c->vmm_in, c->input + done, c->input_len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break; /* full; or gone, which reading finds out */
		done += (size_t)n;
	}
	if (c->vmm_in < 0)
		done = c->input_len;
	memmove(c->input, c->input + done, c->input_len - done);
	c->input_len -= done;
	watch_set(c->in_watch, c->input_len > 0 ? EPOLLOUT : 0U);
	clients_rewatch(c);
}

/* True when the client is gone. */
static bool client_read(struct client *cl)
{
	struct console *c = cl->console;
	ssize_t n =
		closer_read(c->owner, cl->fd, c->input + c->input_len, INPUT_MAX - c->input_len);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		client_drop(cl);
		return true;
	}
	if (n == 0) {
		/* It may still read: a pipe into the console that came to its end. */
		cl->input_ended = true;
		watch_set(cl->watch, client_events(cl));
	}
	if (n > 0) {
		c->input_len += (size_t)n;
		input_flush(c);
	}
	return false;
}

static void on_client(void *ctx, uint32_t revents)
{
	struct client *cl = ctx;

	if ((revents & EPOLLIN) && cl->console->input_len < INPUT_MAX && !cl->input_ended &&
		client_read(cl))
		return;
	if (revents & (EPOLLHUP | EPOLLERR)) {
		client_drop(cl);
		return;
	}
	if (revents & EPOLLOUT)
		client_flush(cl);
}

static int client_add(struct console *c, size_t cap, bool input, struct client **ret, int *ret_fd,
	struct err *err)
{
	struct client *cl;
	int sv[2];

	if (c->n_clients >= CONSOLE_CLIENTS_MAX)
		return err_set(err, ERR_quota_exceeded,
			"%u clients are attached to the console already: detach one, then try "
			"again",
			CONSOLE_CLIENTS_MAX);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot attach to the console");
	cl = calloc(1, sizeof(*cl));
	if (cl)
		*cl = (struct client){ .console = c,
			.fd = sv[0],
			.cap = cap,
			.out = malloc(cap),
			.input_ended = !input };
	if (!cl || !cl->out || fd_set_nonblock(sv[0], true) < 0) {
		err_sys(err, ERR_operation_failed, ENOMEM, "cannot attach to the console");
		goto fail;
	}
	if (watch_add(c->watches, cl->fd, client_events(cl), on_client, cl, &cl->watch, err) < 0)
		goto fail;
	cl->next = c->clients;
	c->clients = cl;
	c->n_clients++;
	*ret = cl;
	*ret_fd = sv[1];
	return 0;
fail:
	if (cl)
		free(cl->out);
	free(cl);
	fd_close_many(sv, 2);
	return -1;
}

/* ---- the VMM's side ---- */

static void output(struct console *c, const uint8_t *p, size_t n)
{
	struct client *next;

	log_append(c, p, n);
	if (halt_words_feed(&c->last_words, p, n) && c->on_halt)
		c->on_halt(c->on_halt_ctx);
	for (struct client *cl = c->clients; cl; cl = next) {
		next = cl->next;
		client_put(cl, p, n);
	}
}

/* Read what is there; false when the VMM is gone. */
static bool take_output(struct console *c)
{
	uint8_t buf[READ_SIZE];

	for (int i = 0; i < READS_MAX; i++) {
		ssize_t n = read(c->vmm, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		if (n == 0)
			return false;
		output(c, buf, (size_t)n);
	}
	return true;
}

static void vmm_close(struct console *c)
{
	struct client *next;

	watch_remove(&c->vmm_watch);
	watch_remove(&c->in_watch);
	fd_closep(&c->vmm);
	fd_closep(&c->vmm_in);
	c->input_len = 0;
	for (struct client *cl = c->clients; cl; cl = next) {
		next = cl->next;
		cl->closing = cl->input_ended = true;
		client_flush(cl);
	}
}

static void on_vmm(void *ctx, uint32_t revents)
{
	struct console *c = ctx;

	(void)revents;
	if (!take_output(c))
		vmm_close(c);
}

static void on_vmm_in(void *ctx, uint32_t revents)
{
	struct console *c = ctx;

	/* That the VMM is gone is for on_vmm() to find, behind its last words. */
	if (revents & (EPOLLHUP | EPOLLERR))
		watch_remove(&c->in_watch);
	else
		input_flush(c);
}

/* ---- from outside ---- */

int console_create(struct watches *w, int dirfd, uid_t owner, uint64_t log_max,
	struct console **ret, struct err *err)
{
	struct console *c = calloc(1, sizeof(*c));

	if (!c)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot make a console");
	*c = (struct console){ .watches = w,
		.owner = owner,
		.log = -1,
		.vmm = -1,
		.vmm_in = -1,
		.log_max = log_max < LOG_MIN ? LOG_MIN : log_max };
	c->dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
	if (c->dirfd < 0) {
		err_sys(err, ERR_operation_failed, errno, "cannot make a console");
		goto fail;
	}
	if (open_log(c, err) < 0)
		goto fail;
	*ret = c;
	return 0;
fail:
	console_destroy(c);
	return -1;
}

void console_destroy(struct console *c)
{
	if (!c)
		return;
	watches_lock(c->watches);
	vmm_close(c);
	while (c->clients)
		client_drop(c->clients);
	watches_unlock(c->watches);
	fd_closep(&c->dirfd);
	fd_closep(&c->log);
	free(c);
}

void console_on_halt(struct console *c, void (*fn)(void *ctx), void *ctx)
{
	watches_lock(c->watches);
	c->on_halt = fn;
	c->on_halt_ctx = ctx;
	watches_unlock(c->watches);
}

int console_connect(struct console *c, int out, int in, struct err *err)
{
	int r = 0;

	watches_lock(c->watches);
	vmm_close(c);
	c->vmm = out;
	c->vmm_in = in;
	if (watch_add(c->watches, out, EPOLLIN, on_vmm, c, &c->vmm_watch, err) < 0 ||
		watch_add(c->watches, in, 0, on_vmm_in, c, &c->in_watch, err) < 0) {
		vmm_close(c);
		r = -1;
	}
	watches_unlock(c->watches);
	return r;
}

void console_disconnect(struct console *c)
{
	watches_lock(c->watches);
	if (c->vmm >= 0)
		take_output(c);
	vmm_close(c);
	watches_unlock(c->watches);
}

int console_attach(struct console *c, int *ret_fd, struct err *err)
{
	struct client *cl;
	int r;

	watches_lock(c->watches);
	r = c->vmm < 0 ? err_set(err, ERR_not_running, "the VM does not run")
		       : client_add(c, CLIENT_OUT, true, &cl, ret_fd, err);
	watches_unlock(c->watches);
	return r;
}

static int snapshot(const uint8_t *p, size_t n, int *ret_fd, struct err *err)
{
	_cleanup_fd_ int fd = memfd_create("console.log", MFD_CLOEXEC);

	if (fd < 0 || fd_write_full(fd, p, n) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot copy the console's log");
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int console_logs(struct console *c, bool follow, int *ret_fd, struct err *err)
{
	_cleanup_free_ uint8_t *log = NULL;
	struct client *cl;
	size_t n;
	int r;

	watches_lock(c->watches);
	r = read_log(c, &log, &n, err);
	if (r == 0 && (!follow || c->vmm < 0)) {
		r = snapshot(log, n, ret_fd, err);
	} else if (r == 0) {
		r = client_add(c, n + CLIENT_OUT, false, &cl, ret_fd, err);
		if (r == 0)
			client_put(cl, log, n);
	}
	watches_unlock(c->watches);
	return r;
}

void console_tail(struct console *c, char *dst, size_t cap)
{
	_cleanup_free_ uint8_t *log = NULL;
	struct err why = ERR_INIT;
	size_t n = 0, from, to = 0;

	dst[0] = '\0';
	watches_lock(c->watches);
	if (read_log(c, &log, &n, &why) < 0)
		n = 0;
	watches_unlock(c->watches);
	while (n > 0 && (log[n - 1] == '\n' || log[n - 1] == '\r'))
		n--;
	from = n > cap / 2 ? n - cap / 2 : 0;
	for (size_t i = from; i < n && to + 4 < cap; i++) {
		if (log[i] == '\n')
			to += (size_t)snprintf(dst + to, cap - to, " | ");
		else if (log[i] != '\r')
			dst[to++] = (char)log[i];
	}
	dst[to] = '\0';
	str_sanitize(dst);
}
