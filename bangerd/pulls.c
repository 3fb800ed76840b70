/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/pulls.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "bangerd/call.h"
#include "common/fd.h"
#include "common/str.h"

/* What came of one. */
struct outcome {
	vm_id id;	/* of what was made; why.code is ERR_none */
	struct err why; /* else */
};

struct entry {
	struct entry *next;
	char key[PULLS_KEY_MAX];
	unsigned users;
	int ended_fd; /* an eventfd: readable for all once it ended */
	struct outcome outcome;
};

struct pulls {
	pthread_mutex_t lock;
	struct entry *first; /* those at work */
};

int pulls_create(struct pulls **ret, struct err *err)
{
	struct pulls *p = calloc(1, sizeof(*p));

	if (!p)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot look after pulls");
	pthread_mutex_init(&p->lock, NULL);
	*ret = p;
	return 0;
}

void pulls_destroy(struct pulls *p)
{
	if (!p)
		return;
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static int entry_create(const char *key, struct entry **ret, struct err *err)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e || !str_copy(e->key, sizeof(e->key), key)) {
		free(e);
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot begin a pull");
	}
	e->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->ended_fd < 0) {
		free(e);
		return err_sys(err, ERR_operation_failed, errno, "cannot begin a pull");
	}
	*ret = e;
	return 0;
}

/* Join what goes by the key, or begin it: then it is the caller's to do, and to end(). */
static int join(
	struct pulls *p, const char *key, struct entry **ret, bool *ret_mine, struct err *err)
{
	struct entry *e;
	bool mine = false;
	int r = 0;

	pthread_mutex_lock(&p->lock);
	for (e = p->first; e && !str_eq(e->key, key); e = e->next)
		;
	if (!e) {
		mine = true;
		r = entry_create(key, &e, err);
		if (r == 0) {
			e->next = p->first;
			p->first = e;
		}
	}
	if (r == 0) {
		e->users++;
		*ret = e;
		*ret_mine = mine;
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

/* With the lock held. */
static void leave(struct entry *e)
{
	if (--e->users > 0)
		return;
	fd_closep(&e->ended_fd);
	free(e);
}

/* Tell who waits. */
static void end(struct pulls *p, struct entry *e, const struct outcome *outcome)
{
	struct entry **at = &p->first;

	pthread_mutex_lock(&p->lock);
	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	e->outcome = *outcome;
	/* A count of one always fits. */
	(void)eventfd_write(e->ended_fd, 1);
	leave(e);
	pthread_mutex_unlock(&p->lock);
}

/* Until it ends, or cancel_fd is readable, which fails with cancelled. */
static int wait_for(
	struct pulls *p, struct entry *e, int cancel_fd, struct outcome *ret, struct err *err)
{
	struct pollfd fds[2] = { { .fd = e->ended_fd, .events = POLLIN },
		{ .fd = cancel_fd, .events = POLLIN } };
	int r = 0;

	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
	pthread_mutex_lock(&p->lock);
	if (fds[0].revents)
		*ret = e->outcome;
	else
		r = err_set(err, ERR_cancelled, "cancelled while waiting for another pull");
	leave(e);
	pthread_mutex_unlock(&p->lock);
	return r;
}

int pulls_once(struct call *call, const char *key,
	int (*pull)(void *ctx, vm_id *ret, struct err *err), void *ctx, vm_id *ret_others,
	struct err *err)
{
	struct pulls *p = call->services->pulls;

	for (;;) {
		struct outcome done = { 0 };
		struct entry *e;
		bool mine;

		if (join(p, key, &e, &mine, err) < 0)
			return -1;
		if (mine) {
			int r = pull(ctx, &done.id, err);

			if (r < 0)
				done.why = *err;
			end(p, e, &done);
			return r < 0 ? -1 : 1;
		}
		call_progress(call, "wait for the same pull", 0, 0, 0, 0);
		if (wait_for(p, e, call->cancel_fd, &done, err) < 0)
			return -1;
		if (done.why.code == ERR_none) {
			*ret_others = done.id;
			return 0;
		}
		/* What was its asker's own matter is none of this one's. */
		if (done.why.code != ERR_cancelled && done.why.code != ERR_unauthorized) {
			*err = done.why;
			return -1;
		}
	}
}
