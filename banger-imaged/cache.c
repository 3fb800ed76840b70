/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "banger-imaged/cache_impl.h"
#include "banger-imaged/hash.h"
#include "common/fd.h"
#include "common/str.h"

#define PATH_BYTES 160 /* parts/sha512- and 128 digits */
#define TURN_MS	   20  /* between two tries for a lock */
#define TRIES	   16  /* against others who remove what was just made */

struct cache_writer {
	struct cache *cache;
	digest digest;
	uint64_t size, at;
	struct hash hash; /* of the bytes before `at` */
	int fd;
	char part[PATH_BYTES];
};

/* ---- names ---- */

int cache_failed(struct err *err, int sys, const char *what, const char *on)
{
	bool full = sys == ENOSPC || sys == EDQUOT;

	return err_sys(err, full ? ERR_no_space : ERR_operation_failed, sys,
		"blob cache: cannot %s %s", what, on);
}

static void blob_path(const digest *d, char buf[PATH_BYTES])
{
	const char *colon = strchr(d->s, ':');

	(void)str_format(
		buf, PATH_BYTES, CACHE_BLOBS "/%.*s/%s", (int)(colon - d->s), d->s, colon + 1);
}

static void part_path(const digest *d, char buf[PATH_BYTES])
{
	const char *colon = strchr(d->s, ':');

	(void)str_format(
		buf, PATH_BYTES, CACHE_PARTS "/%.*s-%s", (int)(colon - d->s), d->s, colon + 1);
}

/* ---- the directory ---- */

int cache_make(const struct cache *c, struct err *err)
{
	static const char *const names[] = { CACHE_BLOBS, CACHE_BLOBS "/sha256",
		CACHE_BLOBS "/sha512", CACHE_PARTS };

	/* A prune elsewhere may take blobs/ away between it and what is in it: put() sees to that.
	 */
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (mkdirat(c->dirfd, names[i], 0700) < 0 && errno != EEXIST && errno != ENOENT)
			return cache_failed(err, errno, "make", names[i]);
	return 0;
}

int cache_open(int dirfd, struct cache **ret, struct err *err)
{
	struct cache *c = calloc(1, sizeof(*c));

	if (!c) {
		fd_closep(&dirfd);
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot open the blob cache");
	}
	c->dirfd = dirfd;
	if (cache_make(c, err) < 0) {
		cache_close(c);
		return -1;
	}
	*ret = c;
	return 0;
}

void cache_close(struct cache *c)
{
	if (!c)
		return;
	fd_closep(&c->dirfd);
	free(c);
}

bool cache_lock(int fd)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_SETLK, &l) == 0;
}

bool cache_is_at(const struct cache *c, const char *path, int fd)
{
	struct stat there, here;

	return fstatat(c->dirfd, path, &there, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &here) == 0 &&
	       there.st_ino == here.st_ino && there.st_dev == here.st_dev;
}

/* ---- reading ---- */

/* 1 when the file is what its digest says, 0 when not. */
static int is_good(int fd, const digest *d, uint64_t size, struct err *err)
{
	struct hash h = { 0 };
	struct err why = ERR_INIT;
	struct stat st;
	digest got;
	int r;

	if (fstat(fd, &st) < 0)
		return cache_failed(err, errno, "look at", d->s);
	if (!S_ISREG(st.st_mode) || (size != CACHE_ANY_SIZE && (uint64_t)st.st_size != size))
		return 0;
	if (hash_init(&h, d, err) < 0)
		return -1;
	r = hash_file(&h, fd, (uint64_t)st.st_size, d->s, NULL, NULL, &why);
	if (r == 0)
		r = hash_digest(&h, &got, &why);
	hash_finish(&h);
	if (r == 0)
		return strcmp(got.s, d->s) == 0;
	/* What the disk cannot read any more is fetched anew. */
	if (why.code == ERR_bad_input)
		return 0;
	*err = why;
	return -1;
}

int cache_lookup(struct cache *c, const digest *d, uint64_t size, int *ret_fd, struct err *err)
{
	char path[PATH_BYTES];
	_cleanup_fd_ int fd = -1;
	int good;

	blob_path(d, path);
	fd = fd_open_beneath(c->dirfd, path, O_RDONLY | O_NONBLOCK, 0);
	if (fd < 0 && errno != ENOENT)
		return cache_failed(err, errno, "open", d->s);
	if (fd < 0)
		return err_set(err, ERR_not_found, "blob %s is not in the cache", d->s);
	good = is_good(fd, d, size, err);
	if (good < 0)
		return -1;
	if (!good) {
		if (cache_is_at(c, path, fd) && unlinkat(c->dirfd, path, 0) < 0 && errno != ENOENT)
			return cache_failed(err, errno, "remove", d->s);
		return err_set(err, ERR_not_found, "blob %s was damaged in the cache", d->s);
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* ---- writing ---- */

static void writer_free(struct cache_writer *w)
{
	hash_finish(&w->hash);
	fd_closep(&w->fd);
	free(w);
}

int cache_restart(struct cache_writer *w, struct err *err)
{
	struct hash h = { 0 };

	if (hash_init(&h, &w->digest, err) < 0)
		return -1;
	hash_finish(&w->hash);
	w->hash = h;
	w->at = 0;
	if (ftruncate(w->fd, 0) < 0)
		return cache_failed(err, errno, "empty", w->part);
	return 0;
}

/* The part is the caller's: hash what an earlier try left. */
static int take_up(struct cache_writer *w, struct err *err)
{
	struct err why = ERR_INIT;
	struct stat st;

	if (fstat(w->fd, &st) < 0)
		return cache_failed(err, errno, "look at", w->part);
	if (hash_init(&w->hash, &w->digest, err) < 0)
		return -1;
	if ((uint64_t)st.st_size > w->size)
		return cache_restart(w, err);
	if (hash_file(&w->hash, w->fd, (uint64_t)st.st_size, w->part, NULL, NULL, &why) < 0)
		return cache_restart(w, err);
	w->at = (uint64_t)st.st_size;
	return 0;
}

static int writer_create(struct cache *c, const digest *d, uint64_t size, int *fd,
	struct cache_writer **ret, struct err *err)
{
	struct cache_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot fetch a blob");
	w->cache = c;
	w->digest = *d;
	w->size = size;
	w->fd = TAKE_FD(*fd);
	part_path(d, w->part);
	if (take_up(w, err) < 0) {
		writer_free(w);
		return -1;
	}
	*ret = w;
	return 0;
}

static int wait_turn(const struct cache_wait *wait, int fd, struct err *err)
{
	struct pollfd p = { .fd = wait ? wait->cancel_fd : -1, .events = POLLIN };
	struct stat st;

	if (wait && wait->waiting && fstat(fd, &st) == 0)
		wait->waiting(wait->ctx, (uint64_t)st.st_size);
	if (poll(&p, 1, TURN_MS) > 0)
		return err_set(err, ERR_cancelled, "cancelled while waiting for a blob");
	return 0;
}

/* One look: the blob whole (1, *ret_fd), its part with the lock (1, *ret_part), or neither (0):
 * then *ret_part is somebody else's. */
static int look(struct cache *c, const digest *d, uint64_t size, int *ret_fd, int *ret_part,
	struct err *err)
{
	char part[PATH_BYTES];
	struct err why = ERR_INIT;
	_cleanup_fd_ int fd = -1;
	bool mine;

	part_path(d, part);
	fd = fd_open_beneath(c->dirfd, part, O_RDWR | O_CREAT | O_NONBLOCK, 0600);
	if (fd < 0)
		return cache_failed(err, errno, "open", part);
	mine = cache_lock(fd) && cache_is_at(c, part, fd);
	/* Who has the lock is the only one who could make the blob whole. */
	if (cache_lookup(c, d, size, ret_fd, &why) == 0) {
		if (mine && unlinkat(c->dirfd, part, 0) < 0 && errno != ENOENT) {
			fd_closep(ret_fd);
			return cache_failed(err, errno, "remove", part);
		}
		return 1;
	}
	if (why.code != ERR_not_found) {
		*err = why;
		return -1;
	}
	*ret_part = TAKE_FD(fd);
	return mine;
}

int cache_begin(struct cache *c, const digest *d, uint64_t size, const struct cache_wait *wait,
	int *ret_fd, struct cache_writer **ret, struct err *err)
{
	for (;;) {
		_cleanup_fd_ int fd = -1, part = -1;
		int r = look(c, d, size, &fd, &part, err);

		if (r < 0)
			return -1;
		if (r > 0 && fd < 0) {
			if (writer_create(c, d, size, &part, ret, err) < 0)
				return -1;
			*ret_fd = -1;
			return 0;
		}
		if (r > 0) {
			*ret_fd = TAKE_FD(fd);
			*ret = NULL;
			return 0;
		}
		if (wait_turn(wait, part, err) < 0)
			return -1;
	}
}

uint64_t cache_writer_at(const struct cache_writer *w)
{
	return w->at;
}

int cache_write(struct cache_writer *w, const void *p, size_t n, struct err *err)
{
	if (n > w->size - w->at)
		return err_set(err, ERR_bad_input,
			"blob %s is larger than the %llu bytes announced", w->digest.s,
			(unsigned long long)w->size);
	if (fd_pwrite_full(w->fd, p, n, w->at) < 0)
		return cache_failed(err, errno, "write", w->part);
	if (hash_update(&w->hash, p, n, err) < 0)
		return -1;
	w->at += n;
	return 0;
}

void cache_abandon(struct cache_writer *w)
{
	if (!w)
		return;
	/* Bytes behind `at` are of a write that failed: an empty part is none. Should either fail,
	 * the digest shows it later. */
	if (w->at == 0)
		(void)unlinkat(w->cache->dirfd, w->part, 0);
	else if (ftruncate(w->fd, (off_t)w->at) < 0)
		(void)unlinkat(w->cache->dirfd, w->part, 0);
	writer_free(w);
}

static int check_whole(struct cache_writer *w, struct err *err)
{
	digest got;

	if (w->at != w->size)
		return err_set(err, ERR_bad_input, "blob %s has %llu bytes, not %llu as announced",
			w->digest.s, (unsigned long long)w->at, (unsigned long long)w->size);
	if (hash_digest(&w->hash, &got, err) < 0)
		return -1;
	if (strcmp(got.s, w->digest.s) != 0)
		return err_set(err, ERR_bad_input, "what came for blob %s has the digest %s",
			w->digest.s, got.s);
	return 0;
}

/* Into its place, which a prune may take away at any moment, and makes again. */
static int put(const struct cache_writer *w, struct err *err)
{
	char path[PATH_BYTES];

	blob_path(&w->digest, path);
	for (int i = 0; renameat(w->cache->dirfd, w->part, w->cache->dirfd, path) < 0; i++) {
		if (errno != ENOENT || i == TRIES)
			return cache_failed(err, errno, "put in its place", w->digest.s);
		if (cache_make(w->cache, err) < 0)
			return -1;
	}
	return 0;
}

int cache_commit(struct cache_writer *w, int *ret_fd, struct err *err)
{
	_cleanup_fd_ int fd = -1;

	/* By another open file description: the one that is written has the lock. */
	fd = fd_open_beneath(w->cache->dirfd, w->part, O_RDONLY, 0);
	if (fd < 0) {
		cache_failed(err, errno, "open", w->part);
		cache_abandon(w);
		return -1;
	}
	if (check_whole(w, err) < 0) {
		w->at = 0; /* nothing of it stays */
		cache_abandon(w);
		return -1;
	}
	if (put(w, err) < 0) {
		cache_abandon(w);
		return -1;
	}
	writer_free(w);
	*ret_fd = TAKE_FD(fd);
	return 0;
}
