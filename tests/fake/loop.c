/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/loop.h"

#include <errno.h>
#include <sys/epoll.h>

#include "common/fd.h"

static int epoll = -1;

int loop_init(struct err *err)
{
	epoll = epoll_create1(EPOLL_CLOEXEC);
	return epoll < 0 ? err_sys(err, ERR_operation_failed, errno, "cannot make an epoll") : 0;
}

static int control(struct source *s, int op, uint32_t events, struct err *err)
{
	struct epoll_event e = { .events = events, .data.ptr = s };

	if (epoll_ctl(epoll, op, s->fd, &e) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot wait for fd %d", s->fd);
	return 0;
}

int loop_watch(struct source *s, uint32_t events, struct err *err)
{
	return control(s, EPOLL_CTL_ADD, events, err);
}

int loop_change(struct source *s, uint32_t events, struct err *err)
{
	return control(s, EPOLL_CTL_MOD, events, err);
}

void loop_close(struct source *s)
{
	if (s->fd < 0)
		return;
	/* It may never have been watched. */
	epoll_ctl(epoll, EPOLL_CTL_DEL, s->fd, NULL);
	fd_closep(&s->fd);
}

int loop_run(struct err *err)
{
	for (;;) {
		struct epoll_event e;
		int n = epoll_wait(epoll, &e, 1, -1);
		struct source *s = e.data.ptr;

		if (n < 0 && errno != EINTR)
			return err_sys(err, ERR_operation_failed, errno, "cannot wait");
		if (n == 1)
			s->ready(s, e.events);
	}
}
