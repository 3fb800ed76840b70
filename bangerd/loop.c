/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "common/fd.h"

struct loop {
	sd_event *event;
	int wake_fd;
	pthread_mutex_t lock; /* of the list */
	struct loop_task *head, **tail;
	bool ended;
	struct err why; /* code none: ended well */
};

/* Run what was posted until now; what these post comes with the next wake-up. */
static int on_wake(sd_event_source *source, int fd, uint32_t revents, void *ctx)
{
	struct loop *loop = ctx;
	struct loop_task *t;
	uint64_t count;

	/* The count does not matter; EAGAIN is as good. */
	if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return -errno;
	pthread_mutex_lock(&loop->lock);
	t = loop->head;
	loop->head = NULL;
	loop->tail = &loop->head;
	pthread_mutex_unlock(&loop->lock);
	while (t) {
		struct loop_task *next = t->next;

		t->next = NULL;
		t->run(t);
		t = next;
	}
	return 0;
}

int loop_create(struct loop **ret, struct err *err)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int r;

	if (!loop)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot make the main loop");
	pthread_mutex_init(&loop->lock, NULL);
	loop->tail = &loop->head;
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = loop->wake_fd < 0 ? -errno : sd_event_new(&loop->event);
	if (r >= 0)
		r = sd_event_add_io(loop->event, NULL, loop->wake_fd, EPOLLIN, on_wake, loop);
	if (r < 0) {
		loop_destroy(loop);
		return err_sys(err, ERR_operation_failed, -r, "cannot make the main loop");
	}
	*ret = loop;
	return 0;
}

void loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	sd_event_unref(loop->event);
	fd_closep(&loop->wake_fd);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}

struct sd_event *loop_event(struct loop *loop)
{
	return loop->event;
}

void loop_post(struct loop *loop, struct loop_task *task)
{
	const uint64_t one = 1;
	bool first;

	task->next = NULL;
	pthread_mutex_lock(&loop->lock);
	first = loop->head == NULL;
	*loop->tail = task;
	loop->tail = &task->next;
	/* Within the lock, so that the loop is not gone. EAGAIN: it is readable already. */
	if (first)
		(void)!write(loop->wake_fd, &one, sizeof(one));
	pthread_mutex_unlock(&loop->lock);
}

int loop_turn(struct loop *loop, uint64_t timeout_us, struct err *err)
{
	int r = sd_event_run(loop->event, timeout_us);

	return r < 0 ? err_sys(err, ERR_operation_failed, -r, "the main loop failed") : 0;
}

int loop_run(struct loop *loop, struct err *err)
{
	while (!loop->ended)
		if (loop_turn(loop, UINT64_MAX, err) < 0)
			return -1;
	if (loop->why.code != ERR_none) {
		*err = loop->why;
		return -1;
	}
	return 0;
}

void loop_end(struct loop *loop)
{
	loop->ended = true;
}

void loop_fail(struct loop *loop, const struct err *why)
{
	if (!loop->ended)
		loop->why = *why;
	loop->ended = true;
}
