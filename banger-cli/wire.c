/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/wire.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "common/fd.h"
#include "common/fd_pass.h"
#include "common/str.h"

/* No honest answer is longer: some 20,000 VMs in one list. */
#define ANSWER_MAX ((size_t)8 << 20)
#define READ_SIZE  ((size_t)64 << 10)

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

int wire_open(const char *path, struct wire *ret, struct err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	_cleanup_fd_ int fd = -1;

	if (!str_copy(sa.sun_path, sizeof(sa.sun_path), path))
		return err_set(err, ERR_bad_request,
			"the path of the daemon's socket is longer than %zu bytes: %s",
			sizeof(sa.sun_path) - 1, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot make a socket");
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return connect_error(path, errno, err);
	if (fd_set_nonblock(fd, true) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot set up a socket");
	*ret = (struct wire){ .fd = TAKE_FD(fd) };
	return 0;
}

void wire_close(struct wire *w)
{
	fd_close_many(w->fds, w->n_fds);
	w->n_fds = 0;
	fd_closep(&w->fd);
	free(TAKE_PTR(w->in));
}

int wire_broken(struct err *err, const char *what)
{
	return err_set(err, ERR_protocol, "the daemon answered %s", what);
}

/* ---- sending ---- */

int wire_send(
	struct wire *w, const char *p, size_t n, const int *fds, size_t n_fds, struct err *err)
{
	while (n > 0) {
		ssize_t sent = fd_pass_send(w->fd, p, n, fds, n_fds, 0);
		struct pollfd pfd = { .fd = w->fd, .events = POLLOUT };

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

/* ---- receiving ---- */

static int on_bytes(struct wire *w, size_t old_len, wire_line on_line, void *ctx, struct err *err)
{
	char *start = w->in, *newline;
	size_t scanned = old_len;

	while ((newline = memchr(w->in + scanned, '\n', w->in_len - scanned))) {
		if (on_line(ctx, start, (size_t)(newline - start), err) < 0)
			return -1;
		start = newline + 1;
		scanned = (size_t)(start - w->in);
	}
	w->in_len -= (size_t)(start - w->in);
	memmove(w->in, start, w->in_len);
	if (w->in_len >= ANSWER_MAX)
		return wire_broken(err, "with a line without end");
	return 0;
}

static int keep_fds(struct wire *w, struct msghdr *mh, struct err *err)
{
	size_t room = FD_PASS_MAX - w->n_fds, n = fd_pass_take(mh, w->fds + w->n_fds, room);

	w->n_fds += n < room ? n : room;
	return n > room || (mh->msg_flags & MSG_CTRUNC) ? wire_broken(err, "with too many fds") : 0;
}

/* Make room for READ_SIZE bytes. */
static int grow(struct wire *w, struct err *err)
{
	size_t want = w->in_cap ? 2 * w->in_cap : 2 * READ_SIZE;
	char *p;

	if (w->in_cap - w->in_len >= READ_SIZE)
		return 0;
	p = realloc(w->in, want);
	if (!p)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read an answer");
	w->in = p;
	w->in_cap = want;
	return 0;
}

int wire_receive(struct wire *w, wire_line on_line, void *ctx, struct err *err)
{
	union fd_pass_control control;
	struct iovec iov;
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf) };
	size_t old_len = w->in_len;
	ssize_t n;

	if (grow(w, err) < 0)
		return -1;
	iov = (struct iovec){ w->in + w->in_len, w->in_cap - w->in_len };
	n = recvmsg(w->fd, &mh, MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		return err_sys(err, ERR_unavailable, errno,
			"lost the daemon (its log says why: journalctl -u bangerd)");
	if (keep_fds(w, &mh, err) < 0)
		return -1;
	if (n == 0)
		return err_set(err, ERR_unavailable,
			"the daemon closed the connection (its log says why: journalctl -u "
			"bangerd)");
	w->in_len += (size_t)n;
	return on_bytes(w, old_len, on_line, ctx, err);
}

int wire_take_fds(struct wire *w, int64_t n, int *ret_fd, struct err *err)
{
	if (n < 0 || (uint64_t)n > w->n_fds)
		return wire_broken(err, "without the fd it announced");
	if (n == 0)
		return 0;
	*ret_fd = TAKE_FD(w->fds[0]);
	fd_close_many(w->fds, (size_t)n);
	w->n_fds -= (size_t)n;
	memmove(w->fds, w->fds + n, w->n_fds * sizeof(w->fds[0]));
	return 0;
}
