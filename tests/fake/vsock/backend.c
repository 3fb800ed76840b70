/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/vsock/backend.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"
#include "tests/fake/vsock/vhost_user.h"
#include "tests/fake/vsock/vsock_mux.h"

/* What epoll says of an event: one of these, or WHO_CONN + a connection's number, beneath the
 * number of times that place was taken, which tells its connections apart. */
enum { WHO_STOP, WHO_VHOST_USER, WHO_LISTENER, WHO_KICK, WHO_CONN = WHO_KICK + VHOST_USER_RINGS };

struct vsock_backend {
	pthread_t thread;
	int epoll, stop, listener;
	bool listening; /* the listener is watched */
	char uds_path[108];
	uint32_t times[VSOCK_MUX_CONNS];
	struct vhost_user vhost_user;
	struct vsock_mux mux;
};

static int watch(struct vsock_backend *b, int fd, uint64_t who, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.u64 = who };

	return epoll_ctl(b->epoll, EPOLL_CTL_ADD, fd, &e);
}

static int watch_conn(void *ctx, unsigned conn, int fd)
{
	struct vsock_backend *b = ctx;

	return watch(b, fd, (uint64_t)++b->times[conn] << 32 | (WHO_CONN + conn),
		EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

/* A kick cannot be watched any more when this fails: that ring stands still. */
static void on_kick_fd(void *ctx, unsigned ring, int old, int new)
{
	struct vsock_backend *b = ctx;

	if (old >= 0)
		epoll_ctl(b->epoll, EPOLL_CTL_DEL, old, NULL);
	if (new >= 0 && watch(b, new, WHO_KICK + ring, EPOLLIN) < 0)
		b->vhost_user.rings[ring].broken = true;
}

/* Clients wait in the listener's queue while no driver runs. */
static int set_listening(struct vsock_backend *b)
{
	bool on = virtqueue_runs(b->mux.rx) && virtqueue_runs(b->mux.tx);

	if (on == b->listening)
		return 0;
	b->listening = on;
	if (on)
		return watch(b, b->listener, WHO_LISTENER, EPOLLIN);
	return epoll_ctl(b->epoll, EPOLL_CTL_DEL, b->listener, NULL);
}

static void accept_clients(struct vsock_backend *b)
{
	/* A few at a time: others have their turn in between. */
	for (int i = 0; i < 16; i++) {
		int fd = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		vsock_mux_client(&b->mux, fd);
	}
}

/* False: it is over. */
static bool handle(struct vsock_backend *b, const struct epoll_event *e)
{
	uint32_t who = (uint32_t)e->data.u64, times = (uint32_t)(e->data.u64 >> 32);
	uint64_t count;

	if (who == WHO_STOP)
		return false;
	if (who == WHO_VHOST_USER)
		return vhost_user_take(&b->vhost_user) == 0;
	if (who == WHO_LISTENER)
		accept_clients(b);
	else if (who < WHO_CONN)
		(void)!read(b->vhost_user.rings[who - WHO_KICK].kick, &count, sizeof(count));
	else if (b->times[who - WHO_CONN] == times)
		vsock_mux_ready(&b->mux, who - WHO_CONN, e->events);
	return true;
}

static void serve(struct vsock_backend *b)
{
	struct epoll_event events[32];
	bool more = false;

	for (;;) {
		int wait = more ? 0 : vsock_mux_expire(&b->mux);
		int n = epoll_wait(b->epoll, events, ARRAY_SIZE(events), wait);

		if (n < 0 && errno != EINTR)
			return;
		for (int i = 0; i < n; i++)
			if (!handle(b, &events[i]))
				return;
		if (set_listening(b) < 0)
			return;
		more = vsock_mux_move(&b->mux);
	}
}

static void *run(void *arg)
{
	struct vsock_backend *b = arg;

	serve(b);
	/* As when the VMM has ended: nobody is served any more. */
	vsock_mux_finish(&b->mux);
	vhost_user_finish(&b->vhost_user);
	fd_closep(&b->listener);
	return NULL;
}

static void destroy(struct vsock_backend *b)
{
	vhost_user_finish(&b->vhost_user);
	fd_closep(&b->listener);
	fd_closep(&b->stop);
	fd_closep(&b->epoll);
	free(b);
}

/* No signal is taken in this thread: they are its maker's. */
static int start_thread(struct vsock_backend *b)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&b->thread, NULL, run, b);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = r;
	return r == 0 ? 0 : -1;
}

int vsock_backend_start(int vhost_user_fd, int listen_fd, const char *uds_path, uint32_t guest_cid,
	struct vsock_backend **ret)
{
	struct vsock_backend *b = calloc(1, sizeof(*b));

	if (!b) {
		close(vhost_user_fd);
		close(listen_fd);
		return -1;
	}
	b->listener = listen_fd;
	b->epoll = epoll_create1(EPOLL_CLOEXEC);
	b->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vhost_user_init(&b->vhost_user, vhost_user_fd, guest_cid, on_kick_fd, b);
	b->mux = (struct vsock_mux){ .rx = &b->vhost_user.rings[VHOST_USER_RX],
		.tx = &b->vhost_user.rings[VHOST_USER_TX],
		.guest_cid = guest_cid,
		.uds_path = b->uds_path,
		.watch = watch_conn,
		.ctx = b };
	vsock_mux_init(&b->mux);
	if (!str_copy(b->uds_path, sizeof(b->uds_path), uds_path))
		errno = ENAMETOOLONG;
	else if (b->epoll >= 0 && b->stop >= 0 && fd_set_nonblock(listen_fd, true) == 0 &&
		 watch(b, b->stop, WHO_STOP, EPOLLIN) == 0 &&
		 watch(b, vhost_user_fd, WHO_VHOST_USER, EPOLLIN) == 0 && start_thread(b) == 0) {
		*ret = b;
		return 0;
	}
	destroy(b);
	return -1;
}

void vsock_backend_stop(struct vsock_backend *b)
{
	uint64_t one = 1;

	if (!b)
		return;
	(void)!write(b->stop, &one, sizeof(one));
	pthread_join(b->thread, NULL);
	destroy(b);
}
