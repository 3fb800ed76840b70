/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/closer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/fd.h"

#define THREADS_MAX 32
#define THREADS_UID 4 /* of one uid; no more are hung by it */
#define IDLE_S	    10
#define STACK_SIZE  ((size_t)64 * 1024)

struct item {
	struct item *next;
	uid_t uid;
	int fd;
};

/* All of it under `lock`. */
static struct closer {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct item *head, **tail; /* to be closed */
	unsigned waiting, threads, idle;
	struct item *closing; /* one of each thread that is at it */
} closer = {
	.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .tail = &closer.head
};

static unsigned count(const struct item *list, uid_t uid)
{
	unsigned n = 0;

	for (; list; list = list->next)
		n += list->uid == uid;
	return n;
}

/* The first whose uid has a thread left, taken off; NULL when there is none. */
static struct item *take(void)
{
	for (struct item **at = &closer.head; *at; at = &(*at)->next) {
		struct item *item = *at;

		if (count(closer.closing, item->uid) >= THREADS_UID)
			continue;
		*at = item->next;
		if (closer.tail == &item->next)
			closer.tail = at;
		closer.waiting--;
		item->next = closer.closing;
		closer.closing = item;
		return item;
	}
	return NULL;
}

static void forget(const struct item *item)
{
	struct item **at = &closer.closing;

	while (*at != item)
		at = &(*at)->next;
	*at = item->next;
}

static void *run(void *ctx)
{
	(void)ctx;
	pthread_mutex_lock(&closer.lock);
	for (;;) {
		struct item *item = take();
		struct timespec until;
		int r;

		if (item) {
			pthread_mutex_unlock(&closer.lock);
			close(item->fd);
			pthread_mutex_lock(&closer.lock);
			forget(item);
			free(item);
			continue;
		}
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += IDLE_S;
		closer.idle++;
		r = pthread_cond_timedwait(&closer.wake, &closer.lock, &until);
		closer.idle--;
		if (r == ETIMEDOUT && !closer.head)
			break;
	}
	closer.threads--;
	pthread_mutex_unlock(&closer.lock);
	return NULL;
}

/* One more thread when there are more fds than sleepers, who may have been woken for others
 * already. Without one it waits for the next that comes. */
static void wake(void)
{
	pthread_attr_t attr;
	pthread_t t;

	pthread_cond_signal(&closer.wake);
	if (closer.waiting <= closer.idle || closer.threads >= THREADS_MAX)
		return;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	if (pthread_create(&t, &attr, run, NULL) == 0)
		closer.threads++;
	pthread_attr_destroy(&attr);
}

void closer_close_many(uid_t uid, int *fds, size_t n)
{
	pthread_mutex_lock(&closer.lock);
	for (size_t i = 0; i < n; i++) {
		struct item *item = fds[i] < 0 ? NULL : malloc(sizeof(*item));

		if (!item) { /* without memory, at once */
			fd_closep(&fds[i]);
			continue;
		}
		*item = (struct item){ .uid = uid, .fd = TAKE_FD(fds[i]) };
		*closer.tail = item;
		closer.tail = &item->next;
		closer.waiting++;
		wake();
	}
	pthread_mutex_unlock(&closer.lock);
}

void closer_close(uid_t uid, int *fd)
{
	closer_close_many(uid, fd, 1);
}

bool closer_is_full(uid_t uid)
{
	bool full;

	pthread_mutex_lock(&closer.lock);
	full = count(closer.head, uid) + count(closer.closing, uid) >= CLOSER_FULL;
	pthread_mutex_unlock(&closer.lock);
	return full;
}

ssize_t closer_read(uid_t uid, int sock, void *dst, size_t cap)
{
	union {
		char buf[CMSG_SPACE(CLOSER_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { dst, cap };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf) };
	ssize_t n;

	if (closer_is_full(uid)) {
		errno = EMFILE;
		return -1;
	}
	n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	for (struct cmsghdr *h = n < 0 ? NULL : CMSG_FIRSTHDR(&msg); h; h = CMSG_NXTHDR(&msg, h)) {
		size_t n_fds = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		int fds[CLOSER_FDS_MAX];

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(fds, CMSG_DATA(h), n_fds * sizeof(int));
		closer_close_many(uid, fds, n_fds);
	}
	return n;
}

void closer_hang_up(uid_t uid, int *sock)
{
	if (*sock >= 0)
		shutdown(*sock, SHUT_RDWR);
	closer_close(uid, sock);
}
