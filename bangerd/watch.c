/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "common/fd.h"

/* Callbacks run before the main loop looks at others again. */
#define BATCH 64

struct watches {
	int epoll;
	sd_event_source *source;
	pthread_mutex_t lock;
};

struct watch {
	struct watches *set;
	int fd;
	uint32_t events;
	watch_fn fn;
	void *ctx;
};

/* One event at a time: a callback may remove any watch, also one whose event is due. */
static int on_ready(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct watches *w = userdata;
	struct epoll_event ev;

	(void)source;
	(void)revents;
	watches_lock(w);
	for (int i = 0; i < BATCH && epoll_wait(fd, &ev, 1, 0) == 1; i++) {
		struct watch *watch = ev.data.ptr;

		watch->fn(watch->ctx, ev.events);
	}
	watches_unlock(w);
	return 0;
}

int watches_create(struct sd_event *event, struct watches **ret, struct err *err)
{
	struct watches *w = calloc(1, sizeof(*w));
	pthread_mutexattr_t recursive;
	int r;

	if (!w)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot watch VMs");
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll < 0) {
		err_sys(err, ERR_operation_failed, errno, "cannot watch VMs");
		free(w);
		return -1;
	}
	pthread_mutexattr_init(&recursive);
	pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&w->lock, &recursive);
	pthread_mutexattr_destroy(&recursive);
	r = sd_event_add_io(event, &w->source, w->epoll, EPOLLIN, on_ready, w);
	if (r < 0) {
		err_sys(err, ERR_operation_failed, -r, "cannot watch VMs");
		watches_destroy(w);
		return -1;
	}
	*ret = w;
	return 0;
}

void watches_destroy(struct watches *w)
{
	if (!w)
		return;
	sd_event_source_unref(w->source);
	fd_closep(&w->epoll);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

void watches_lock(struct watches *w)
{
	pthread_mutex_lock(&w->lock);
}

void watches_unlock(struct watches *w)
{
	pthread_mutex_unlock(&w->lock);
}

int watch_add(struct watches *w, int fd, uint32_t events, watch_fn fn, void *ctx,
	struct watch **ret, struct err *err)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	struct epoll_event ev = { .events = events };

	if (!watch)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot watch a VM");
	*watch = (struct watch){ w, fd, events, fn, ctx };
	ev.data.ptr = watch;
	/* The callback finds *ret set, however soon it runs. */
	watches_lock(w);
	if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &ev) < 0) {
		err_sys(err, ERR_operation_failed, errno, "cannot watch a VM");
		watches_unlock(w);
		free(watch);
		return -1;
	}
	*ret = watch;
	watches_unlock(w);
	return 0;
}

void watch_set(struct watch *watch, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = watch };

	if (!watch || watch->events == events)
		return;
	/* Changing the events of an fd that is there does not fail (epoll_ctl(2)). */
	epoll_ctl(watch->set->epoll, EPOLL_CTL_MOD, watch->fd, &ev);
	watch->events = events;
}

void watch_remove(struct watch **watch)
{
	struct watch *old = *watch;

	if (!old)
		return;
	watches_lock(old->set);
	epoll_ctl(old->set->epoll, EPOLL_CTL_DEL, old->fd, NULL);
	watches_unlock(old->set);
	free(old);
	*watch = NULL;
}
