/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/fetch_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "banger-imaged/fetch_blob.h"
#include "common/fd.h"
#include "common/str.h"

#define PROGRESS_MS  100
#define ASKER_MS     100 /* between two looks whether somebody still waits */
#define THREAD_STACK (512U << 10)
#define CACHE_SPARE  (64ULL << 20) /* what a pull leaves of the cache's file system */

static const struct image_limits limits = IMAGE_LIMITS_DEFAULT;

enum item_state { ITEM_WAITING, ITEM_WHOLE, ITEM_FAILED };

struct item {
	digest digest;
	uint64_t size;
	enum item_state state;
	int fd;
};

struct queue {
	struct fetch_job *j;
	pthread_t threads[JOB_PARALLEL_MAX];
	unsigned n_threads;
	int stop_fd; /* readable once stop is set, for who waits in poll() */
	atomic_bool stop;
	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t changed;
	struct item *items;
	uint32_t n, next;
	struct queue_end sum;
	struct err err; /* of the first that failed */
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- one blob, in its thread ---- */

struct telling {
	struct fetch_job *j;
	const struct item *item;
	int64_t at_ms;
};

static void tell(struct telling *t, uint64_t done)
{
	fetch_job_progress(t->j, &t->item->digest, done, t->item->size);
}

static void on_progress(void *ctx, uint64_t done)
{
	struct telling *t = ctx;
	int64_t now = now_ms();

	if (now - t->at_ms < PROGRESS_MS || done >= t->item->size)
		return;
	t->at_ms = now;
	tell(t, done);
}

static void set_stop(struct queue *q)
{
	uint64_t one = 1;

	atomic_store(&q->stop, true);
	/* Its count cannot overflow: it stays readable, whatever write() says. */
	if (write(q->stop_fd, &one, sizeof(one)) < 0)
		return;
}

static void settle(
	struct queue *q, struct item *item, int r, int fd, uint64_t fetched, const struct err *err)
{
	pthread_mutex_lock(&q->lock);
	item->fd = fd;
	item->state = r == 0 ? ITEM_WHOLE : ITEM_FAILED;
	if (r == 0) {
		q->sum.fetched += fetched;
		q->sum.reused += fetched < item->size ? item->size - fetched : 0;
	} else if (q->err.code == ERR_none) {
		q->err = *err;
	}
	pthread_cond_broadcast(&q->changed);
	pthread_mutex_unlock(&q->lock);
	if (r < 0)
		set_stop(q);
}

static void fetch_item(struct queue *q, struct http *h, struct item *item)
{
	struct telling t = { q->j, item, 0 };
	struct blob_request b = { .digest = &item->digest,
		.size = item->size,
		.stop_fd = q->stop_fd,
		.progress = on_progress,
		.ctx = &t };
	struct err err = ERR_INIT;
	uint64_t fetched = 0;
	int fd = -1, r;

	r = blob_fetch(q->j, h, &b, &fd, &fetched, &err);
	if (r == 0)
		tell(&t, item->size);
	settle(q, item, r, fd, fetched, &err);
}

static struct item *next_item(struct queue *q)
{
	struct item *item = NULL;

	pthread_mutex_lock(&q->lock);
	if (q->next < q->n && !atomic_load(&q->stop))
		item = &q->items[q->next++];
	pthread_mutex_unlock(&q->lock);
	return item;
}

static void *work(void *arg)
{
	struct err err = ERR_INIT;
	struct http *h = NULL;
	struct queue *q = arg;

	for (struct item *item; (item = next_item(q));) {
		if (!h && http_create(&q->stop, &h, &err) < 0) {
			settle(q, item, -1, -1, 0, &err);
			break;
		}
		fetch_item(q, h, item);
	}
	http_destroy(h);
	return NULL;
}

/* ---- the list ---- */

static int add(struct queue *q, const struct descriptor *d, struct err *err)
{
	for (uint32_t i = 0; i < q->n; i++) {
		if (strcmp(q->items[i].digest.s, d->digest.s) != 0)
			continue;
		if (q->items[i].size != d->size)
			return err_set(err, ERR_bad_input,
				"the manifest gives two sizes of the blob %s", d->digest.s);
		return 0;
	}
	q->items[q->n++] = (struct item){ .digest = d->digest, .size = d->size, .fd = -1 };
	return 0;
}

static int list(struct queue *q, const struct manifest *m, struct err *err)
{
	uint64_t total = 0;

	q->items = calloc(m->n_layers + 1ULL, sizeof(*q->items));
	if (!q->items)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot fetch an image");
	if (m->config.size > limits.manifest)
		return err_set(err, ERR_bad_input,
			"the image's configuration has %llu bytes, banger takes %u",
			(unsigned long long)m->config.size, limits.manifest);
	if (add(q, &m->config, err) < 0)
		return -1;
	for (uint32_t i = 0; i < m->n_layers; i++) {
		if (ckd_add(&total, total, m->layers[i].size) || total > limits.expanded)
			return err_set(err, ERR_bad_input,
				"the image's layers have more than %llu GiB",
				(unsigned long long)(limits.expanded >> 30));
		if (add(q, &m->layers[i], err) < 0)
			return -1;
	}
	return 0;
}

/* What is not in the cache must fit beside what there is. Blobs are not looked into for it: what is
 * there already counts as missing only when there is no room. */
static int check_room(struct queue *q, struct err *err)
{
	uint64_t need = 0, room;
	struct statfs fs;

	for (uint32_t i = 0; i < q->n; i++)
		need += q->items[i].size;
	if (fstatfs(q->j->cache_dir, &fs) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot look at the cache's disk");
	room = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
	if (need + CACHE_SPARE <= room)
		return 0;
	for (uint32_t i = 0; i < q->n; i++) {
		struct err why = ERR_INIT;
		int fd;

		if (cache_lookup(q->j->cache, &q->items[i].digest, q->items[i].size, &fd, &why) ==
			0) {
			need -= q->items[i].size;
			fd_closep(&fd);
		}
	}
	if (need && need + CACHE_SPARE > room)
		return err_set(err, ERR_no_space,
			"the image needs %llu MiB more in the cache, whose disk has %llu MiB left: "
			"free some, or prune the cache",
			(unsigned long long)((need + CACHE_SPARE) >> 20),
			(unsigned long long)(room >> 20));
	return 0;
}

static int start_threads(struct queue *q, struct err *err)
{
	unsigned n = q->j->parallel < q->n ? q->j->parallel : q->n;
	pthread_attr_t attr;
	int r = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	while (q->n_threads < n && r == 0) {
		r = pthread_create(&q->threads[q->n_threads], &attr, work, q);
		q->n_threads += r == 0;
	}
	pthread_attr_destroy(&attr);
	if (q->n_threads == 0)
		return err_sys(err, ERR_operation_failed, r, "cannot start a thread");
	return 0;
}

static void destroy(struct queue *q)
{
	for (uint32_t i = 0; i < q->n; i++)
		fd_closep(&q->items[i].fd);
	fd_closep(&q->stop_fd);
	pthread_mutex_destroy(&q->lock);
	pthread_cond_destroy(&q->changed);
	free(q->items);
	free(q);
}

int queue_start(struct fetch_job *j, const struct manifest *m, struct queue **ret, struct err *err)
{
	struct queue *q = calloc(1, sizeof(*q));
	int r = 0;

	if (!q)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot fetch an image");
	q->j = j;
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->changed, NULL);
	q->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->stop_fd < 0)
		r = err_sys(err, ERR_operation_failed, errno, "cannot fetch an image");
	if (r < 0 || list(q, m, err) < 0 || check_room(q, err) < 0 || start_threads(q, err) < 0) {
		destroy(q);
		return -1;
	}
	*ret = q;
	return 0;
}

/* Under the lock. */
static int failed(const struct queue *q, struct err *err)
{
	if (q->err.code != ERR_none)
		*err = q->err;
	else
		err_set(err, ERR_cancelled, "cancelled");
	return -1;
}

/* Under the lock, for a moment: that it waits on a condition and on a socket at once, no thread can
 * say. */
static bool wait_changed(struct queue *q, int asker_fd)
{
	struct pollfd p = { .fd = asker_fd };
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += ASKER_MS * 1000000L;
	if (t.tv_nsec >= 1000000000L) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000L;
	}
	if (pthread_cond_clockwait(&q->changed, &q->lock, CLOCK_MONOTONIC, &t) == 0)
		return true;
	return poll(&p, 1, 0) <= 0;
}

int queue_wait(struct queue *q, const digest *d, int asker_fd, int *ret_fd, uint64_t *ret_size,
	struct err *err)
{
	const struct item *item = NULL;
	int r = 0, fd;

	for (uint32_t i = 0; i < q->n && !item; i++)
		if (strcmp(q->items[i].digest.s, d->s) == 0)
			item = &q->items[i];
	if (!item)
		return err_set(err, ERR_not_found, "the image has no blob %s", d->s);
	pthread_mutex_lock(&q->lock);
	while (item->state == ITEM_WAITING && q->err.code == ERR_none)
		if (!wait_changed(q, asker_fd))
			break;
	if (item->state != ITEM_WHOLE)
		r = failed(q, err);
	pthread_mutex_unlock(&q->lock);
	if (r < 0)
		return -1;
	fd = fcntl(item->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot hand a blob out");
	*ret_fd = fd;
	*ret_size = item->size;
	return 0;
}

int queue_end(struct queue *q, struct queue_end *ret, struct err *err)
{
	int r = 0;

	set_stop(q);
	for (unsigned i = 0; i < q->n_threads; i++)
		pthread_join(q->threads[i], NULL);
	for (uint32_t i = 0; i < q->n && r == 0; i++)
		if (q->items[i].state != ITEM_WHOLE)
			r = failed(q, err);
	if (r == 0)
		*ret = q->sum;
	destroy(q);
	return r;
}
