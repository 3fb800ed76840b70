/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/greet.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/agent_ports.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "guest/identity.h"
#include "guest/ports.h"
#include "guest/poweroff.h"
#include "guest/uevent.h"
#include "guest/virtio.h"
#include "guest/vsock.h"

#define PORT_TIMEOUT_MS 10000

static bool port_found(void *ctx)
{
	struct greet *g = ctx;
	struct err err = ERR_INIT;

	return ports_open(g->tree, 0, &g->port, &err) == 0;
}

int greet_open(struct greet *g, int tree, int uevents, struct err *err)
{
	*g = (struct greet){ .tree = tree, .port = -1, .listener = -1 };
	if (stream_create(&agent_protocol, &g->s, err) < 0)
		return -1;
	if (virtio_has(tree, VIRTIO_ID_VSOCK))
		return vsock_listen(AGENT_VSOCK_CONTROL, &g->listener, err);
	if (!uevent_wait(uevents, port_found, g, PORT_TIMEOUT_MS))
		return err_set(err, ERR_not_found, "the machine has no port banger.0");
	return 0;
}

static int answer(struct greet *g, const struct header *h, struct err *err)
{
	struct agent_hello_out hello = { 0 };
	struct err no = ERR_INIT;

	if (h->message == agent_msg_hello) {
		identity_hello(g->tree, false, &hello);
		return stream_put(g->s, h->message, FRAME_REPLY, h->seq, &hello, err);
	}
	if (h->message == agent_msg_shutdown) {
		if (stream_put(g->s, h->message, FRAME_REPLY, h->seq, NULL, err) < 0)
			return -1;
		stream_flush(g->s, g->port, err);
		poweroff_now();
	}
	err_set(&no, ERR_unavailable, "the guest is not set up yet");
	return stream_put_error(g->s, h->message, h->seq, &no, err);
}

/* Take what came. 1: a setup request is in g; 0: wait on; -1: the host went, or spoke nonsense. */
static int take(struct greet *g, struct err *err)
{
	struct header h;
	int r;

	while ((r = stream_next(g->s, &h, err)) == 1) {
		if (h.kind != FRAME_REQUEST)
			return err_set(err, ERR_protocol, "a frame that is no request");
		if (h.message == agent_msg_setup) {
			g->setup = h;
			return stream_decode(g->s, &g->in, err) < 0 ? -1 : 1;
		}
		if (answer(g, &h, err) < 0)
			return -1;
	}
	return r;
}

/* What the port has to say. 1: a setup request is in g; 0: all that came is taken; -1: that host is
 * gone. */
static int serve(struct greet *g, struct err *err)
{
	int r;

	do {
		r = take(g, err);
		if (r == 0 && stream_flush(g->s, g->port, err) < 0)
			r = -1;
		if (r != 0)
			return r;
	} while ((r = stream_feed(g->s, g->port, err)) == 1);
	return r;
}

static int watch(int ep, int fd)
{
	/* Edges: a port whose host is away is "readable" for ever. */
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = fd };

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}

/* A new connection takes the place of the old. */
static void take_connections(struct greet *g, int ep)
{
	int fd;

	while ((fd = vsock_accept(g->listener)) >= 0 || errno == EPERM) {
		if (fd < 0)
			continue;
		fd_closep(&g->port);
		g->port = fd;
		stream_reset(g->s);
		if (watch(ep, fd) < 0)
			fd_closep(&g->port);
	}
}

static void lose(struct greet *g, const struct err *why)
{
	if (why->code == ERR_protocol)
		log_warning("the host: %s", why->msg);
	stream_reset(g->s);
	if (g->listener >= 0)
		fd_closep(&g->port);
}

int greet_wait(struct greet *g, struct err *err)
{
	_cleanup_fd_ int ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event e;

	if (ep < 0 || (g->port >= 0 && watch(ep, g->port) < 0) ||
		(g->listener >= 0 && watch(ep, g->listener) < 0))
		return err_sys(err, ERR_operation_failed, errno, "cannot wait for the host");
	for (;;) {
		struct err gone = ERR_INIT;
		int r = g->port >= 0 ? serve(g, &gone) : 0;

		if (r == 1)
			return 0;
		if (r < 0)
			lose(g, &gone);
		if (epoll_wait(ep, &e, 1, -1) < 0 && errno != EINTR)
			return err_sys(err, ERR_operation_failed, errno, "cannot wait");
		if (g->listener >= 0)
			take_connections(g, ep);
	}
}

void greet_refuse(struct greet *g, const struct err *why)
{
	struct err err = ERR_INIT;

	if (stream_put_error(g->s, g->setup.message, g->setup.seq, why, &err) < 0 ||
		stream_flush(g->s, g->port, &err) < 0)
		log_warning("the host: %s", err.msg);
}

int greet_rest(struct greet *g, int *ret_fd, struct err *err)
{
	_cleanup_fd_ int fd = memfd_create("setup", MFD_CLOEXEC);
	const void *p;
	size_t n = stream_unread(g->s, &p);

	if (fd < 0 || fd_write_full(fd, p, n) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot hand the channel over");
	*ret_fd = TAKE_FD(fd);
	return 0;
}
