/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/operations.h"

#include <errno.h>
#include <json-c/json.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "bangerd/reply.h"
#include "common/fd.h"
#include "common/str.h"

#define RUNNING_MAX   64  /* of one owner */
#define KEEP_OF_OWNER 128 /* ended ones */
#define KEEP_MAX      1024
#define KEEP_S	      3600

struct operation {
	struct operations *ops;
	unsigned refs; /* one is the list's */
	uint64_t id;
	char name[17];
	uid_t owner;
	const char *kind;
	vm_id vm;
	vm_name vm_name;
	enum operation_state state;
	char stages[OPERATION_STAGES][OPERATION_STAGE_MAX + 1];
	unsigned indexes[OPERATION_STAGES], n_stages, count;
	struct err why;
	int64_t started_at, ended_at;
	time_t ended_mono;
	int cancel_fd;
	struct operation_watcher *watchers; /* main thread only */
	struct loop_task task;
	bool posted;		/* the task is on its way, and holds a reference */
	struct operation *next; /* newest first */
};

/* One lock for all: what is done under it is short. */
struct operations {
	struct loop *loop;
	pthread_mutex_t lock;
	struct operation *first;
};

static const char *const state_names[] = { "running", "done", "failed", "cancelled" };

int operations_create(struct loop *loop, struct operations **ret, struct err *err)
{
	struct operations *ops = calloc(1, sizeof(*ops));

	if (!ops)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot make the operations");
	ops->loop = loop;
	pthread_mutex_init(&ops->lock, NULL);
	*ret = ops;
	return 0;
}

/* With the lock held, or where it is gone. */
static void put_locked(struct operation *o)
{
	if (--o->refs > 0)
		return;
	fd_closep(&o->cancel_fd);
	free(o);
}

void operations_destroy(struct operations *ops)
{
	if (!ops)
		return;
	while (ops->first) {
		struct operation *o = ops->first;

		ops->first = o->next;
		put_locked(o);
	}
	pthread_mutex_destroy(&ops->lock);
	free(ops);
}

void operation_unref(struct operation *o)
{
	struct operations *ops;

	if (!o)
		return;
	ops = o->ops;
	pthread_mutex_lock(&ops->lock);
	put_locked(o);
	pthread_mutex_unlock(&ops->lock);
}

/* Take ended ones off the list that are too old or too many; the list is newest first. */
static void prune(struct operations *ops, uid_t owner)
{
	unsigned of_owner = 0, all = 0;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	for (struct operation **at = &ops->first; *at;) {
		struct operation *o = *at;

		if (o->state == OPERATION_RUNNING) {
			at = &o->next;
			continue;
		}
		all++;
		of_owner += o->owner == owner;
		if (all <= KEEP_MAX && (o->owner != owner || of_owner <= KEEP_OF_OWNER) &&
			now.tv_sec - o->ended_mono < KEEP_S) {
			at = &o->next;
			continue;
		}
		*at = o->next;
		put_locked(o);
	}
}

static void run_task(struct loop_task *task);

static int new_operation(struct operations *ops, uid_t owner, const char *kind,
	struct operation **ret, struct err *err)
{
	struct operation *o = calloc(1, sizeof(*o));

	if (!o)
		return err_sys(err, ERR_unavailable, ENOMEM, "cannot begin an operation");
	o->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	while (o->cancel_fd >= 0 && o->id == 0)
		if (getrandom(&o->id, sizeof(o->id), 0) != (ssize_t)sizeof(o->id))
			fd_closep(&o->cancel_fd);
	if (o->cancel_fd < 0) {
		free(o);
		return err_sys(err, ERR_unavailable, errno, "cannot begin an operation");
	}
	snprintf(o->name, sizeof(o->name), "%016llx", (unsigned long long)o->id);
	o->ops = ops;
	o->refs = 2;
	o->owner = owner;
	o->kind = kind;
	o->task.run = run_task;
	o->started_at = time(NULL);
	*ret = o;
	return 0;
}

int operation_begin(struct operations *ops, uid_t owner, const char *kind, struct operation **ret,
	struct err *err)
{
	struct operation *o = NULL;
	unsigned running = 0;

	if (new_operation(ops, owner, kind, &o, err) < 0)
		return -1;
	pthread_mutex_lock(&ops->lock);
	prune(ops, owner);
	for (struct operation *i = ops->first; i; i = i->next)
		running += i->owner == owner && i->state == OPERATION_RUNNING;
	if (running < RUNNING_MAX) {
		o->next = ops->first;
		ops->first = o;
	}
	pthread_mutex_unlock(&ops->lock);
	if (running >= RUNNING_MAX) {
		fd_closep(&o->cancel_fd);
		free(o);
		return err_set(err, ERR_quota_exceeded,
			"%u operations of yours are running; wait for one, or cancel it", running);
	}
	*ret = o;
	return 0;
}

const char *operation_name(const struct operation *o)
{
	return o->name;
}

uint64_t operation_id(const struct operation *o)
{
	return o->id;
}

void operation_set_vm(struct operation *o, const vm_id *id, const vm_name *name)
{
	pthread_mutex_lock(&o->ops->lock);
	o->vm = *id;
	o->vm_name = *name;
	pthread_mutex_unlock(&o->ops->lock);
}

/* With the lock held: have the watchers told. */
static void post(struct operation *o)
{
	if (o->posted)
		return;
	o->posted = true;
	o->refs++;
	loop_post(o->ops->loop, &o->task);
}

void operation_stage(struct operation *o, const char *stage, unsigned index, unsigned count)
{
	pthread_mutex_lock(&o->ops->lock);
	if (o->n_stages < OPERATION_STAGES) {
		snprintf(o->stages[o->n_stages], sizeof(o->stages[0]), "%s", stage);
		o->indexes[o->n_stages++] = index;
	}
	o->count = count;
	post(o);
	pthread_mutex_unlock(&o->ops->lock);
}

void operation_end(struct operation *o, const struct err *why)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	pthread_mutex_lock(&o->ops->lock);
	if (!why)
		o->state = OPERATION_DONE;
	else
		o->state = why->code == ERR_cancelled ? OPERATION_CANCELLED : OPERATION_FAILED;
	if (why)
		o->why = *why;
	o->ended_at = time(NULL);
	o->ended_mono = now.tv_sec;
	/* It is described for an hour, and never cancelled again. */
	fd_closep(&o->cancel_fd);
	post(o);
	pthread_mutex_unlock(&o->ops->lock);
}

int operation_cancel_fd(const struct operation *o)
{
	return o->cancel_fd;
}

/* With the lock held, and a no-op on one that has ended. */
static void cancel_locked(struct operation *o)
{
	const uint64_t one = 1;

	/* It can fail only by being full: then it is readable, as wanted. */
	if (o->cancel_fd >= 0)
		(void)!write(o->cancel_fd, &one, sizeof(one));
}

void operation_cancel(struct operation *o)
{
	pthread_mutex_lock(&o->ops->lock);
	cancel_locked(o);
	pthread_mutex_unlock(&o->ops->lock);
}

/* ---- clients ---- */

int operations_find(struct operations *ops, uid_t uid, const char *name, struct operation **ret,
	struct err *err)
{
	struct operation *o;

	pthread_mutex_lock(&ops->lock);
	for (o = ops->first; o; o = o->next)
		if (str_eq(o->name, name) && (uid == 0 || o->owner == uid))
			break;
	if (o)
		o->refs++;
	pthread_mutex_unlock(&ops->lock);
	if (!o)
		return err_set(err, ERR_not_found,
			"no operation '%s': ended ones are kept for an hour", name);
	*ret = o;
	return 0;
}

/* With the lock held: only memory is touched. */
static int describe(struct operation *o, struct json_object **ret, struct err *err)
{
	struct reply r, stages, e;

	reply_begin(&r);
	reply_string(&r, "operation", o->name);
	reply_string(&r, "kind", o->kind);
	reply_string(&r, "vm", o->vm.s[0] ? o->vm.s : NULL);
	reply_string(&r, "name", o->vm_name.s[0] ? o->vm_name.s : NULL);
	reply_int(&r, "owner_uid", o->owner);
	reply_string(&r, "state", state_names[o->state]);
	reply_string(&r, "stage", o->n_stages ? o->stages[o->n_stages - 1] : NULL);
	reply_int(&r, "index", o->n_stages ? o->indexes[o->n_stages - 1] : 0);
	reply_int(&r, "count", o->count);
	reply_begin_array(&stages);
	for (unsigned i = 0; i < o->n_stages; i++)
		reply_string(&stages, NULL, o->stages[i]);
	reply_object(&r, "stages", reply_take(&stages));
	if (o->why.code == ERR_none) {
		reply_null(&r, "error");
	} else {
		reply_begin(&e);
		reply_string(&e, "code", err_code_name(o->why.code));
		reply_string(&e, "message", o->why.msg);
		reply_object(&r, "error", reply_take(&e));
	}
	reply_time(&r, "started_at", o->started_at);
	reply_time(&r, "ended_at", o->ended_at);
	return reply_end(&r, ret, err);
}

int operation_describe(struct operation *o, struct json_object **ret, struct err *err)
{
	int r;

	pthread_mutex_lock(&o->ops->lock);
	r = describe(o, ret, err);
	pthread_mutex_unlock(&o->ops->lock);
	return r;
}

int operations_list(struct operations *ops, uid_t uid, struct json_object **ret, struct err *err)
{
	struct reply all;
	int r = 0;

	reply_begin_array(&all);
	pthread_mutex_lock(&ops->lock);
	prune(ops, uid);
	for (struct operation *o = ops->first; o && r == 0; o = o->next) {
		struct json_object *one = NULL;

		if (uid != 0 && o->owner != uid)
			continue;
		r = describe(o, &one, err);
		if (r == 0)
			reply_object(&all, NULL, one);
	}
	pthread_mutex_unlock(&ops->lock);
	if (r < 0) {
		reply_drop(&all);
		return -1;
	}
	return reply_end(&all, ret, err);
}

int operations_cancel(struct operations *ops, uid_t uid, const char *name, struct err *err)
{
	struct operation *o;

	if (operations_find(ops, uid, name, &o, err) < 0)
		return -1;
	operation_cancel(o);
	operation_unref(o);
	return 0;
}

void operations_cancel_all(struct operations *ops)
{
	pthread_mutex_lock(&ops->lock);
	for (struct operation *o = ops->first; o; o = o->next)
		cancel_locked(o);
	pthread_mutex_unlock(&ops->lock);
}

/* ---- watchers ---- */

void operation_watch(struct operation *o, struct operation_watcher *w)
{
	w->operation = o;
	w->stages_seen = 0;
	w->next = o->watchers;
	o->watchers = w;
	pthread_mutex_lock(&o->ops->lock);
	o->refs++;
	post(o);
	pthread_mutex_unlock(&o->ops->lock);
}

void operation_unwatch(struct operation_watcher *w)
{
	struct operation *o = w->operation;

	if (!o)
		return;
	for (struct operation_watcher **at = &o->watchers; *at; at = &(*at)->next)
		if (*at == w) {
			*at = w->next;
			break;
		}
	w->operation = NULL;
	operation_unref(o);
}

/* Tell one watcher what it has not seen of `copy`. */
static void tell(struct operation_watcher *w, const struct operation *copy)
{
	struct operation_view v = {
		.name = copy->name, .state = copy->state, .count = copy->count
	};

	while (w->stages_seen < copy->n_stages) {
		v.stage = copy->stages[w->stages_seen];
		v.index = copy->indexes[w->stages_seen++];
		w->changed(w, &v);
	}
}

static void run_task(struct loop_task *task)
{
	struct operation *o = (struct operation *)((char *)task - offsetof(struct operation, task));
	struct operation *copy = malloc(sizeof(*copy));
	bool ended;

	pthread_mutex_lock(&o->ops->lock);
	o->posted = false;
	ended = o->state != OPERATION_RUNNING;
	if (copy)
		*copy = *o;
	pthread_mutex_unlock(&o->ops->lock);
	/* Without memory the watchers miss this one step, not the end. */
	for (struct operation_watcher *w = o->watchers, *next; copy && w; w = next) {
		next = w->next;
		tell(w, copy);
	}
	free(copy);
	while (ended && o->watchers) {
		struct operation_watcher *w = o->watchers;

		o->watchers = w->next;
		w->operation = NULL;
		w->ended(w, o);
		operation_unref(o);
	}
	operation_unref(o);
}
