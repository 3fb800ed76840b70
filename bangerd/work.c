/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/work.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include "common/ipc.h"
#include "common/log.h"

#define QUEUE_MAX     512 /* waiting items in all */
#define QUEUE_UID_MAX 128 /* of one uid */
#define IDLE_S	      10  /* a thread without work ends after it */
#define OWN_THREADS   4
#define STACK_SIZE    ((size_t)256 * 1024)

struct work {
	struct loop *loop;
	unsigned
		total[WORK__classes]; /* running at once, up to which an item of the class starts */
	unsigned of_uid[WORK__classes];
	unsigned spare[WORK__classes]; /* the last of `total`: for uids that have nothing running */
	pthread_attr_t attr;

	pthread_mutex_t lock;
	pthread_cond_t wake;	/* there may be something to run */
	pthread_cond_t drained; /* a thread went, or nothing is left */
	struct work_item *head, **tail;
	unsigned waiting, running, threads, idle;
	bool closing;
	uid_t *running_uids; /* whom the `running` running ones are for, in no order */
};

static unsigned running_of(const struct work *work, uid_t uid)
{
	unsigned n = 0;

	for (unsigned i = 0; i < work->running; i++)
		n += work->running_uids[i] == uid;
	return n;
}

static unsigned waiting_of(const struct work *work, uid_t uid)
{
	unsigned n = 0;

	for (const struct work_item *i = work->head; i; i = i->next)
		n += i->uid == uid;
	return n;
}

static void running_remove(struct work *work, uid_t uid)
{
	unsigned i = 0;

	while (work->running_uids[i] != uid)
		i++;
	work->running_uids[i] = work->running_uids[--work->running];
}

static bool may_run(const struct work *work, const struct work_item *item)
{
	unsigned total = work->total[item->class], of_uid = running_of(work, item->uid);

	if (work->running >= total || of_uid >= work->of_uid[item->class])
		return false;
	return of_uid == 0 || total - work->running > work->spare[item->class];
}

/* The first item in the queue that may run now, taken off; NULL when there is none. */
static struct work_item *take(struct work *work)
{
	for (struct work_item **at = &work->head; *at; at = &(*at)->next) {
		struct work_item *item = *at;

		if (!may_run(work, item))
			continue;
		*at = item->next;
		if (work->tail == &item->next)
			work->tail = at;
		item->next = NULL;
		work->waiting--;
		work->running_uids[work->running++] = item->uid;
		return item;
	}
	return NULL;
}

static void run_item(struct work *work, struct work_item *item)
{
	uid_t uid = item->uid;
	bool done = item->done != NULL;

	pthread_mutex_unlock(&work->lock);
	log_set_op(item->op);
	ipc_set_op(item->op);
	item->run(item); /* without `done` it may be gone now */
	log_set_op(0);
	ipc_set_op(0);
	if (done)
		loop_post(work->loop, &item->task);
	pthread_mutex_lock(&work->lock);
	running_remove(work, uid);
	/* What waited for this uid's share, or for the class's, may run now. */
	if (work->waiting > 0)
		pthread_cond_broadcast(&work->wake);
	if (work->waiting == 0 && work->running == 0)
		pthread_cond_broadcast(&work->drained);
}

static void *worker(void *ctx)
{
	struct work *work = ctx;

	pthread_mutex_lock(&work->lock);
	for (;;) {
		struct work_item *item = take(work);
		struct timespec until;
		int r;

		if (item) {
			run_item(work, item);
			continue;
		}
		if (work->closing && work->waiting == 0)
			break;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += IDLE_S;
		work->idle++;
		r = pthread_cond_timedwait(&work->wake, &work->lock, &until);
		work->idle--;
		if (r == ETIMEDOUT && work->waiting == 0)
			break;
	}
	work->threads--;
	pthread_cond_broadcast(&work->drained);
	pthread_mutex_unlock(&work->lock);
	return NULL;
}

int work_create(struct loop *loop, unsigned workers, struct work **ret, struct err *err)
{
	struct work *work = calloc(1, sizeof(*work));
	unsigned n = workers, quarter = n / 4 > 0 ? n / 4 : 1;
	pthread_condattr_t attr;

	if (!work)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot make the workers");
	work->running_uids = calloc(n + quarter + OWN_THREADS, sizeof(*work->running_uids));
	if (!work->running_uids) {
		free(work);
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot make the workers");
	}
	work->loop = loop;
	work->tail = &work->head;
	/* One worker at least is never another uid's long work, nor anybody's. */
	work->total[WORK_LONG] = n - 1;
	work->total[WORK_CALL] = n;
	work->total[WORK_URGENT] = n + quarter;
	work->total[WORK_OWN] = work->of_uid[WORK_OWN] = n + quarter + OWN_THREADS;
	work->of_uid[WORK_CALL] = n - quarter;
	work->of_uid[WORK_LONG] = n - quarter - n / 8 > 0 ? n - quarter - n / 8 : 1;
	work->of_uid[WORK_URGENT] = work->of_uid[WORK_CALL] + (quarter + 1) / 2;
	work->spare[WORK_LONG] = n / 8 + 1;
	work->spare[WORK_CALL] = n / 8;
	work->spare[WORK_URGENT] = quarter > 1;
	pthread_mutex_init(&work->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&work->wake, &attr);
	pthread_cond_init(&work->drained, &attr);
	pthread_condattr_destroy(&attr);
	pthread_attr_init(&work->attr);
	pthread_attr_setdetachstate(&work->attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&work->attr, STACK_SIZE);
	*ret = work;
	return 0;
}

void work_drain(struct work *work)
{
	pthread_mutex_lock(&work->lock);
	while (work->waiting > 0 || work->running > 0) {
		/* No thread could be started for a duty: it is ours then. */
		struct work_item *item = work->threads == 0 ? take(work) : NULL;

		if (item)
			run_item(work, item);
		else
			pthread_cond_wait(&work->drained, &work->lock);
	}
	pthread_mutex_unlock(&work->lock);
}

bool work_is_idle(struct work *work)
{
	bool idle;

	pthread_mutex_lock(&work->lock);
	idle = work->waiting == 0 && work->running == 0;
	pthread_mutex_unlock(&work->lock);
	return idle;
}

void work_destroy(struct work *work)
{
	if (!work)
		return;
	work_drain(work);
	pthread_mutex_lock(&work->lock);
	work->closing = true;
	pthread_cond_broadcast(&work->wake);
	while (work->threads > 0)
		pthread_cond_wait(&work->drained, &work->lock);
	pthread_mutex_unlock(&work->lock);
	pthread_cond_destroy(&work->wake);
	pthread_cond_destroy(&work->drained);
	pthread_mutex_destroy(&work->lock);
	pthread_attr_destroy(&work->attr);
	free(work->running_uids);
	free(work);
}

static void post_done(struct loop_task *task)
{
	struct work_item *item =
		(struct work_item *)((char *)task - offsetof(struct work_item, task));

	item->done(item);
}

/* With the lock held. Threads that sleep may have been woken for other items already: start one
 * when there are more items than sleepers. Not to get one is no failure as long as there is
 * another. */
static int start_thread(struct work *work, struct err *err)
{
	pthread_t t;
	int r;

	if (work->waiting < work->idle || work->threads >= work->total[WORK_OWN])
		return 0;
	r = pthread_create(&t, &work->attr, worker, work);
	if (r == 0)
		work->threads++;
	else if (work->threads == 0)
		return err_sys(err, ERR_unavailable, r, "cannot start a worker thread");
	return 0;
}

static void enqueue(struct work *work, struct work_item *item)
{
	item->next = NULL;
	item->task.run = post_done;
	*work->tail = item;
	work->tail = &item->next;
	work->waiting++;
	pthread_cond_signal(&work->wake);
}

int work_submit(struct work *work, struct work_item *item, struct err *err)
{
	int r;

	pthread_mutex_lock(&work->lock);
	if (work->waiting >= QUEUE_MAX)
		r = err_set(err, ERR_busy, "the daemon has %u requests waiting, try again later",
			work->waiting);
	else if (waiting_of(work, item->uid) >= QUEUE_UID_MAX)
		r = err_set(err, ERR_busy, "you have %u requests waiting, try again later",
			QUEUE_UID_MAX);
	else
		r = start_thread(work, err);
	if (r == 0)
		enqueue(work, item);
	pthread_mutex_unlock(&work->lock);
	return r;
}

void work_submit_duty(struct work *work, struct work_item *item)
{
	struct err err = ERR_INIT;

	pthread_mutex_lock(&work->lock);
	if (start_thread(work, &err) < 0)
		log_warning("%s; it will be done later", err.msg);
	enqueue(work, item);
	pthread_mutex_unlock(&work->lock);
}
