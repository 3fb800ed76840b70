/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/pipeline.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "common/fd.h"
#include "common/str.h"

#define CHUNKS	   8U
#define CHUNK_SIZE (512U << 10)

struct chunk {
	uint8_t *p;
	size_t n;
	bool last; /* of its item */
};

enum stage { STAGE_VERIFY, STAGE_DECODE, STAGE_CHECK, STAGES };

struct pipeline {
	struct flow flow;
	struct pipeline_item *items;
	uint32_t n_items;
	const struct image_limits *limits;
	pthread_t threads[STAGES];
	unsigned n_threads;
	int stop_fd;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stop;
	bool failed;
	struct err failure;
	uint32_t verified;	/* items */
	uint64_t decoded;	/* chunks, as are … */
	uint64_t checked, read; /* … what these two stages are done with */
	uint32_t items_decoded, items_checked, items_read;
	uint64_t taken, expanded; /* bytes of all items */

	bool holding; /* the caller has the chunk at `read` */
	bool ended;   /* and it was the item's last */
	struct chunk chunks[CHUNKS];
};

static void fail(struct pipeline *p, const struct err *e)
{
	pthread_mutex_lock(&p->lock);
	if (!p->failed)
		p->failure = *e;
	p->failed = true;
	p->stop = true;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

static int mismatch(
	const char *name, const char *what, const digest *got, const digest *want, struct err *err)
{
	return err_set(err, ERR_bad_input, "%s: its %s is %s, not %s as the image says", name, what,
		got->s, want->s);
}

/* ---- verify ---- */

static bool stopped(struct pipeline *p)
{
	bool r;

	pthread_mutex_lock(&p->lock);
	r = p->stop;
	pthread_mutex_unlock(&p->lock);
	return r;
}

static int verify_item(
	struct pipeline *p, const struct pipeline_item *item, uint8_t *buf, struct err *err)
{
	struct input in = item->input;
	struct hash h = { 0 };
	size_t n = 0;
	digest got;
	int r;

	if (hash_init(&h, item->stored, err) < 0)
		return -1;
	in.hash = &h;
	do
		r = input_read(&in, buf, CHUNK_SIZE, &n, err);
	while (r == 0 && n > 0 && !stopped(p));
	if (r == 0)
		r = hash_digest(&h, &got, err);
	hash_finish(&h);
	if (r < 0)
		return err_wrap(err, "%s", item->name);
	if (n == 0 && strcmp(got.s, item->stored->s) != 0)
		return mismatch(item->name, "digest", &got, item->stored, err);
	return 0;
}

static void *verify_main(void *ctx)
{
	struct pipeline *p = ctx;
	struct err err = ERR_INIT;
	uint8_t *buf = malloc(CHUNK_SIZE);

	if (!buf)
		err_sys(&err, ERR_operation_failed, ENOMEM, "cannot verify the image");
	for (uint32_t i = 0; buf && i < p->n_items && !stopped(p); i++) {
		struct pipeline_item *item = &p->items[i];

		if (item->open && item->open(item->ctx, item, p->stop_fd, &err) < 0)
			break;
		if (item->stored && verify_item(p, item, buf, &err) < 0)
			break;
		pthread_mutex_lock(&p->lock);
		p->verified++;
		pthread_cond_broadcast(&p->changed);
		pthread_mutex_unlock(&p->lock);
	}
	if (err.code != ERR_none)
		fail(p, &err);
	free(buf);
	return NULL;
}

/* ---- decode ---- */

static uint64_t released(const struct pipeline *p)
{
	return p->checked < p->read ? p->checked : p->read;
}

/* Wait for room; false when all is to stop. */
static bool wait_room(struct pipeline *p, uint32_t item)
{
	bool go;

	pthread_mutex_lock(&p->lock);
	while (!p->stop && (p->decoded - released(p) >= CHUNKS || p->verified <= item))
		pthread_cond_wait(&p->changed, &p->lock);
	go = !p->stop;
	pthread_mutex_unlock(&p->lock);
	return go;
}

static int account(struct pipeline *p, uint64_t taken, uint64_t out, struct err *err)
{
	const struct image_limits *l = p->limits;

	pthread_mutex_lock(&p->lock);
	p->taken += taken;
	p->expanded += out;
	taken = p->taken;
	out = p->expanded;
	pthread_mutex_unlock(&p->lock);
	if (out > l->expanded)
		return err_set(err, ERR_bad_input, "the image expands to more than %llu GiB",
			(unsigned long long)(l->expanded >> 30));
	if (out > l->ratio_free && out / l->ratio > taken)
		return err_set(err, ERR_bad_input,
			"the image expands to more than %llu times its size",
			(unsigned long long)l->ratio);
	return 0;
}

static int decode_chunks(struct pipeline *p, uint32_t index, struct decoder *d, struct err *err)
{
	struct pipeline_item *item = &p->items[index];
	bool last = false;

	while (!last) {
		struct chunk *c = &p->chunks[p->decoded % CHUNKS];
		uint64_t before = item->input.at;

		if (!wait_room(p, index))
			return 0;
		if (decoder_read(d, c->p, CHUNK_SIZE, &c->n, err) < 0 ||
			account(p, item->input.at - before, c->n, err) < 0)
			return -1;
		last = c->last = c->n < CHUNK_SIZE;
		pthread_mutex_lock(&p->lock);
		p->decoded++;
		pthread_cond_broadcast(&p->changed);
		pthread_mutex_unlock(&p->lock);
	}
	return 0;
}

/* The bytes that were decompressed are the ones that were verified, even if somebody writes to the
 * file meanwhile: either their own digest says so, or that of what came out. */
static int decode_item(struct pipeline *p, uint32_t index, struct err *err)
{
	struct pipeline_item *item = &p->items[index];
	_cleanup_(decoder_closep) struct decoder *d = NULL;
	bool hashed = item->ret_stored || (item->stored && !item->plain);
	struct hash h = { 0 };
	uint8_t rest[4096];
	size_t n = 0;
	digest got;
	int r = 0;

	if (!wait_room(p, index))
		return 0;
	if (hashed && hash_init(&h, item->ret_stored ? NULL : item->stored, err) < 0)
		return -1;
	item->input.hash = hashed ? &h : NULL;
	if (decoder_open(&item->input, item->compression, &d, err) < 0 ||
		decode_chunks(p, index, d, err) < 0)
		r = -1;
	while (hashed && r == 0 && !stopped(p)) {
		r = input_read(&item->input, rest, sizeof(rest), &n, err);
		if (n == 0)
			break;
	}
	item->input.hash = NULL;
	if (hashed && r == 0)
		r = hash_digest(&h, &got, err);
	hash_finish(&h);
	if (r < 0)
		return err_wrap(err, "%s", item->name);
	if (hashed && item->ret_stored)
		*item->ret_stored = got;
	else if (hashed && !stopped(p) && strcmp(got.s, item->stored->s) != 0)
		return mismatch(item->name, "digest", &got, item->stored, err);
	return 0;
}

static void *decode_main(void *ctx)
{
	struct pipeline *p = ctx;
	struct err err = ERR_INIT;

	for (uint32_t i = 0; i < p->n_items && !stopped(p); i++) {
		if (decode_item(p, i, &err) < 0) {
			fail(p, &err);
			break;
		}
		pthread_mutex_lock(&p->lock);
		p->items_decoded++;
		pthread_cond_broadcast(&p->changed);
		pthread_mutex_unlock(&p->lock);
	}
	return NULL;
}

/* ---- check ---- */

/* The next chunk to look at; NULL when all is to stop. */
static struct chunk *wait_chunk(struct pipeline *p, const uint64_t *at)
{
	struct chunk *c;

	pthread_mutex_lock(&p->lock);
	while (!p->stop && *at >= p->decoded)
		pthread_cond_wait(&p->changed, &p->lock);
	c = p->stop ? NULL : &p->chunks[*at % CHUNKS];
	pthread_mutex_unlock(&p->lock);
	return c;
}

static void release_chunk(struct pipeline *p, uint64_t *at)
{
	pthread_mutex_lock(&p->lock);
	(*at)++;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

static int check_item(struct pipeline *p, const struct pipeline_item *item, struct err *err)
{
	struct hash h = { 0 };
	bool last = false;
	digest got;
	int r = 0;

	if (item->plain && hash_init(&h, item->plain, err) < 0)
		return -1;
	while (r == 0 && !last) {
		struct chunk *c = wait_chunk(p, &p->checked);

		if (!c)
			break;
		last = c->last;
		if (item->plain)
			r = hash_update(&h, c->p, c->n, err);
		release_chunk(p, &p->checked);
	}
	if (r == 0 && last && item->plain)
		r = hash_digest(&h, &got, err);
	hash_finish(&h);
	if (r == 0 && last && item->plain && strcmp(got.s, item->plain->s) != 0)
		return mismatch(item->name, "diff_id", &got, item->plain, err);
	return r;
}

static void *check_main(void *ctx)
{
	struct pipeline *p = ctx;
	struct err err = ERR_INIT;

	for (uint32_t i = 0; i < p->n_items && !stopped(p); i++) {
		if (check_item(p, &p->items[i], &err) < 0) {
			fail(p, &err);
			break;
		}
		pthread_mutex_lock(&p->lock);
		p->items_checked++;
		pthread_cond_broadcast(&p->changed);
		pthread_mutex_unlock(&p->lock);
	}
	return NULL;
}

/* ---- the caller's side ---- */

static int failed(struct pipeline *p, struct err *err)
{
	pthread_mutex_lock(&p->lock);
	*err = p->failure;
	pthread_mutex_unlock(&p->lock);
	return -1;
}

static int flow_next(struct flow *s, const uint8_t **ret_p, size_t *ret_n, struct err *err)
{
	struct pipeline *p = (struct pipeline *)s;
	struct chunk *c;

	*ret_n = 0;
	while (*ret_n == 0 && !p->ended) {
		if (p->holding)
			release_chunk(p, &p->read);
		p->holding = false;
		c = wait_chunk(p, &p->read);
		if (!c)
			return failed(p, err);
		p->holding = true;
		*ret_p = c->p;
		*ret_n = c->n;
		p->ended = c->last;
	}
	return 0;
}

int pipeline_next(struct pipeline *p, struct err *err)
{
	uint32_t item;
	bool bad;

	if (p->holding)
		release_chunk(p, &p->read);
	p->holding = p->ended = false;
	pthread_mutex_lock(&p->lock);
	item = ++p->items_read;
	while (!p->stop && (p->items_checked < item || p->items_decoded < item))
		pthread_cond_wait(&p->changed, &p->lock);
	bad = p->failed;
	pthread_mutex_unlock(&p->lock);
	return bad ? failed(p, err) : 0;
}

bool pipeline_failed(struct pipeline *p)
{
	bool r;

	pthread_mutex_lock(&p->lock);
	r = p->failed;
	pthread_mutex_unlock(&p->lock);
	return r;
}

struct flow *pipeline_flow(struct pipeline *p)
{
	return &p->flow;
}

uint64_t pipeline_taken(struct pipeline *p)
{
	uint64_t r;

	pthread_mutex_lock(&p->lock);
	r = p->taken;
	pthread_mutex_unlock(&p->lock);
	return r;
}

static int start(struct pipeline *p, struct err *err)
{
	static void *(*const mains[STAGES])(void *) = { verify_main, decode_main, check_main };

	for (unsigned i = 0; i < STAGES; i++) {
		int sys = pthread_create(&p->threads[i], NULL, mains[i], p);

		if (sys != 0)
			return err_sys(err, ERR_operation_failed, sys, "cannot start a thread");
		p->n_threads++;
	}
	return 0;
}

int pipeline_open(struct pipeline_item *items, uint32_t n, const struct image_limits *limits,
	struct pipeline **ret, struct err *err)
{
	struct pipeline *p = calloc(1, sizeof(*p));
	bool memory = p != NULL;

	for (unsigned i = 0; p && i < CHUNKS; i++) {
		p->chunks[i].p = malloc(CHUNK_SIZE);
		memory = memory && p->chunks[i].p;
	}
	if (!p)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read the image");
	p->flow.next = flow_next;
	p->items = items;
	p->n_items = n;
	p->limits = limits;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, NULL);
	p->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (!memory || p->stop_fd < 0) {
		pipeline_close(p);
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read the image");
	}
	for (uint32_t i = 0; i < n; i++)
		items[i].input.stop_fd = p->stop_fd;
	if (start(p, err) < 0) {
		pipeline_close(p);
		return -1;
	}
	*ret = p;
	return 0;
}

void pipeline_close(struct pipeline *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	if (p->stop_fd >= 0)
		(void)eventfd_write(p->stop_fd, 1);
	for (unsigned i = 0; i < p->n_threads; i++)
		pthread_join(p->threads[i], NULL);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	fd_closep(&p->stop_fd);
	for (unsigned i = 0; i < CHUNKS; i++)
		free(p->chunks[i].p);
	free(p);
}
