/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/pulls.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "common/fd.h"
#include "common/str.h"

struct pulls_entry {
	struct pulls_entry *next;
	char key[PULLS_KEY_MAX];
	unsigned users;
	int ended_fd; /* an eventfd: readable for all once it ended */
	struct pulls_outcome outcome;
};

struct pulls {
	pthread_mutex_t lock;
	struct pulls_entry *first; /* those at work */
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

static int entry_create(const char *key, struct pulls_entry **ret, struct err *err)
{
	struct pulls_entry *e = calloc(1, sizeof(*e));

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

int pulls_join(struct pulls *p, const char *key, struct pulls_place *ret, struct err *err)
{
	struct pulls_entry *e;
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
		*ret = (struct pulls_place){ e, mine };
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

/* With the lock held. */
static void leave(struct pulls_place *place)
{
	struct pulls_entry *e = TAKE_PTR(place->entry);

	if (--e->users > 0)
		return;
	fd_closep(&e->ended_fd);
	free(e);
}

void pulls_end(struct pulls *p, struct pulls_place *place, const struct pulls_outcome *outcome)
{
	struct pulls_entry **at = &p->first;

	pthread_mutex_lock(&p->lock);
	while (*at != place->entry)
		at = &(*at)->next;
	*at = place->entry->next;
	place->entry->outcome = *outcome;
	/* A count of one always fits. */
	(void)eventfd_write(place->entry->ended_fd, 1);
	leave(place);
	pthread_mutex_unlock(&p->lock);
}

int pulls_wait(struct pulls *p, struct pulls_place *place, int cancel_fd, struct pulls_outcome *ret,
	struct err *err)
{
	struct pollfd fds[2] = { { .fd = place->entry->ended_fd, .events = POLLIN },
		{ .fd = cancel_fd, .events = POLLIN } };
	int r = 0;

	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
	pthread_mutex_lock(&p->lock);
	if (fds[0].revents)
		*ret = place->entry->outcome;
	else
		r = err_set(err, ERR_cancelled, "cancelled while waiting for another pull");
	leave(place);
	pthread_mutex_unlock(&p->lock);
	return r;
}
