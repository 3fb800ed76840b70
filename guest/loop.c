/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/loop.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/fd.h"
#include "guest/clock.h"

int loop_init(struct loop *l, struct err *err)
{
	l->timers = NULL;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot make an event loop");
	return 0;
}

int loop_watch(struct loop *l, struct source *s, uint32_t events, struct err *err)
{
	struct epoll_event e = { .events = events | EPOLLET, .data.ptr = s };

	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, s->fd, &e) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot watch an fd");
	return 0;
}

void loop_close(struct loop *l, struct source *s)
{
	if (s->fd < 0)
		return;
	/* A child between fork and exec may hold the open file: closing alone would not remove it.
	 * One that was never watched fails here, harmlessly. */
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, s->fd, NULL);
	fd_closep(&s->fd);
}

void loop_timer_clear(struct loop *l, struct timer *t)
{
	struct timer **p = &l->timers;

	if (t->at_ms == 0)
		return;
	while (*p != t)
		p = &(*p)->next;
	*p = t->next;
	t->at_ms = 0;
}

void loop_timer_set(struct loop *l, struct timer *t, uint64_t ms)
{
	struct timer **p = &l->timers;

	loop_timer_clear(l, t);
	t->at_ms = clock_ms() + ms;
	while (*p && (*p)->at_ms <= t->at_ms)
		p = &(*p)->next;
	t->next = *p;
	*p = t;
}

static int until_timer(const struct loop *l)
{
	uint64_t now = clock_ms();

	if (!l->timers)
		return -1;
	if (l->timers->at_ms <= now)
		return 0;
	return l->timers->at_ms - now > INT_MAX ? INT_MAX : (int)(l->timers->at_ms - now);
}

int loop_turn(struct loop *l, struct err *err)
{
	struct epoll_event e;
	int n = epoll_wait(l->epoll, &e, 1, until_timer(l));

	if (n < 0 && errno != EINTR)
		return err_sys(err, ERR_operation_failed, errno, "cannot wait for events");
	if (n == 1) {
		struct source *s = e.data.ptr;

		s->ready(s, e.events);
	}
	if (l->timers && l->timers->at_ms <= clock_ms()) {
		struct timer *t = l->timers;

		loop_timer_clear(l, t);
		t->fire(t);
	}
	return 0;
}
