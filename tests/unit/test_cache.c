/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * banger-imaged/cache: what is given out is what its digest says, whoever shares the directory and
 * wherever one of them is killed or the disk is full.
 *
 * The calls that change the directory go through wrappers that count them: the N-th kills its
 * process, before or after it was done, or fails with ENOSPC.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "banger-imaged/cache.h"
#include "banger-imaged/hash.h"
#include "common/fd.h"
#include "common/str.h"

#define SIZE  100000
#define PIECE 30000

/* ---- faults ---- */

enum fault { FAULT_NONE, FAULT_KILL_BEFORE, FAULT_KILL_AFTER, FAULT_FULL };

static enum fault fault;
static int fault_at, calls;

/* True when this call is to fail. */
static bool before_call(void)
{
	if (fault == FAULT_NONE || ++calls != fault_at)
		return false;
	if (fault == FAULT_KILL_BEFORE)
		kill(getpid(), SIGKILL);
	errno = ENOSPC;
	return fault == FAULT_FULL;
}

static void after_call(void)
{
	if (fault == FAULT_KILL_AFTER && calls == fault_at)
		kill(getpid(), SIGKILL);
}

#define WRAP(type, name, params, args)  \
	type __real_##name params;      \
	type __wrap_##name params;      \
	type __wrap_##name params       \
	{                               \
		type r;                 \
                                        \
		if (before_call())      \
			return -1;      \
		r = __real_##name args; \
		after_call();           \
		return r;               \
	}

WRAP(int, mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode))
WRAP(int, fd_open_beneath, (int fd, const char *path, int flags, mode_t mode),
	(fd, path, flags, mode))
WRAP(int, fd_pwrite_full, (int fd, const void *p, size_t n, uint64_t at), (fd, p, n, at))
WRAP(int, renameat, (int from_fd, const char *from, int to_fd, const char *to),
	(from_fd, from, to_fd, to))
WRAP(int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags))
WRAP(int, ftruncate, (int fd, off_t n), (fd, n))

/* ---- what is cached ---- */

struct fixture {
	char path[32];
	char content[SIZE];
	digest digest;
};

static digest digest_of(const void *p, size_t n, const char *like)
{
	struct hash h = { 0 };
	struct err err = ERR_INIT;
	digest l, d;

	assert_true(!like || digest_parse(like, &l));
	assert_int_equal(hash_init(&h, like ? &l : NULL, &err), 0);
	assert_int_equal(hash_update(&h, p, n, &err), 0);
	assert_int_equal(hash_digest(&h, &d, &err), 0);
	hash_finish(&h);
	return d;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->path, "/tmp/banger-cache-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	for (size_t i = 0; i < SIZE; i++)
		f->content[i] = (char)(i * 7919 >> 4);
	f->digest = digest_of(f->content, SIZE, NULL);
	*state = f;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(nftw(f->path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
	free(f);
	return 0;
}

static struct cache *open_cache(const struct fixture *f)
{
	struct cache *c = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(
		cache_open(open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), &c, &err), 0);
	return c;
}

/* Fetch the blob, or find it. 0, or -1 with *err. */
static int fetch(const struct fixture *f, struct cache *c, struct err *err)
{
	struct cache_writer *w = NULL;
	int fd = -1;

	if (cache_begin(c, &f->digest, SIZE, NULL, &fd, &w, err) < 0)
		return -1;
	while (w && cache_writer_at(w) < SIZE) {
		uint64_t at = cache_writer_at(w);
		size_t n = SIZE - at < PIECE ? (size_t)(SIZE - at) : PIECE;

		if (cache_write(w, f->content + at, n, err) < 0) {
			cache_abandon(w);
			return -1;
		}
	}
	if (w && cache_commit(w, &fd, err) < 0)
		return -1;
	close(fd);
	return 0;
}

static bool is_whole_fd(int fd, const struct fixture *f)
{
	char buf[SIZE + 1];

	return fd_pread_full(fd, buf, sizeof(buf), 0) == SIZE && memcmp(buf, f->content, SIZE) == 0;
}

/* It is there, and right. */
static void assert_whole(const struct fixture *f, struct cache *c)
{
	struct err err = ERR_INIT;
	int fd = -1;

	assert_int_equal(cache_lookup(c, &f->digest, SIZE, &fd, &err), 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_true(is_whole_fd(fd, f));
	close(fd);
}

static void assert_not_there(const struct fixture *f, struct cache *c)
{
	struct err err = ERR_INIT;
	int fd = -1;

	assert_int_equal(cache_lookup(c, &f->digest, SIZE, &fd, &err), -1);
	assert_int_equal(err.code, ERR_not_found);
	assert_int_equal(fd, -1);
}

static struct cache_figures usage(struct cache *c)
{
	struct cache_figures u = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(cache_usage(c, &u, &err), 0);
	return u;
}

static struct cache_writer *begin(const struct fixture *f, struct cache *c)
{
	struct cache_writer *w = NULL;
	struct err err = ERR_INIT;
	int fd = -1;

	assert_int_equal(cache_begin(c, &f->digest, SIZE, NULL, &fd, &w, &err), 0);
	assert_non_null(w);
	assert_int_equal(fd, -1);
	return w;
}

static void write_bytes(const struct fixture *f, struct cache_writer *w, size_t n)
{
	struct err err = ERR_INIT;

	assert_int_equal(cache_write(w, f->content + cache_writer_at(w), n, &err), 0);
}

/* ---- one process ---- */

static void test_fetch_and_find(void **state)
{
	struct fixture *f = *state;
	struct cache *c = open_cache(f);
	struct err err = ERR_INIT;
	int fd = -1;

	assert_not_there(f, c);
	assert_int_equal(usage(c).blobs, 0);
	assert_int_equal(fetch(f, c, &err), 0);
	assert_whole(f, c);
	assert_int_equal(usage(c).blobs, 1);
	assert_int_equal(usage(c).bytes, SIZE);
	assert_int_equal(cache_lookup(c, &f->digest, CACHE_ANY_SIZE, &fd, &err), 0);
	assert_true(is_whole_fd(fd, f));
	close(fd);
	assert_int_equal(fetch(f, c, &err), 0); /* found */
	assert_int_equal(usage(c).blobs, 1);
	cache_close(c);
}

static void test_sha512(void **state)
{
	struct fixture *f = *state;
	struct cache *c = open_cache(f);
	struct err err = ERR_INIT;
	digest like = { "sha512:" };

	memset(like.s + 7, '0', 128);
	f->digest = digest_of(f->content, SIZE, like.s);
	assert_int_equal(fetch(f, c, &err), 0);
	assert_whole(f, c);
	cache_close(c);
}

static void test_empty_blob(void **state)
{
	struct fixture *f = *state;
	struct cache *c = open_cache(f);
	struct cache_writer *w = NULL;
	struct err err = ERR_INIT;
	digest d = digest_of("", 0, NULL);
	int fd = -1;

	assert_int_equal(cache_begin(c, &d, 0, NULL, &fd, &w, &err), 0);
	assert_int_equal(cache_commit(w, &fd, &err), 0);
	close(fd);
	assert_int_equal(cache_lookup(c, &d, 0, &fd, &err), 0);
	close(fd);
	cache_close(c);
}

static void test_resume(void **state)
{
	struct fixture *f = *state;
	struct cache *c = open_cache(f);
	struct cache_writer *w = begin(f, c);
	struct err err = ERR_INIT;

	assert_int_equal(cache_writer_at(w), 0);
	write_bytes(f, w, PIECE);
	cache_abandon(w);
	assert_int_equal(usage(c).bytes, PIECE);
	w = begin(f, c);
	assert_int_equal(cache_writer_at(w), PIECE);
	cache_abandon(w);
	assert_int_equal(fetch(f, c, &err), 0);
	assert_whole(f, c);
	cache_close(c);
}

static void test_restart(void **state)
{
	struct fixture *f = *state;
	struct cache *c = open_cache(f);
	struct cache_writer *w = begin(f, c);
	struct err err = ERR_INIT;
	int fd = -1;

	write_bytes(f, w, PIECE);
	assert_int_equal(cache_restart(w, &err), 0);
	assert_int_equal(cache_writer_at(w), 0);
	write_bytes(f, w, SIZE);
	assert_int_equal(cache_commit(w, &fd, &err), 0);
	close(fd);
	assert_whole(f, c);
	cache_close(c);
}

/* Nothing of what is not the blob stays, not even a part. */
static void test_wrong_bytes(void **state)
{
	struct fixture *f = *state;
	struct cache *c = open_cache(f);
	struct cache_writer *w = begin(f, c);
	struct err err = ERR_INIT;
	int fd = -1;

	assert_int_equal(cache_write(w, f->content + 1, SIZE - 1, &err), 0);
	assert_int_equal(cache_write(w, "xy", 2, &err), -1);
	assert_int_equal(err.code, ERR_bad_input);
	assert_int_equal(cache_write(w, "x", 1, &err), 0);
	assert_int_equal(cache_commit(w, &fd, &err), -1);
	assert_int_equal(err.code, ERR_bad_input);
	assert_int_equal(fd, -1);
	assert_not_there(f, c);
	assert_int_equal(usage(c).blobs, 0);
	w = begin(f, c);
	write_bytes(f, w, SIZE - 1);
	assert_int_equal(cache_commit(w, &fd, &err), -1);
	assert_int_equal(err.code, ERR_bad_input);
	cache_close(c);
}

static void spoil(const struct fixture *f, const char *dir, char separator, off_t at, off_t size)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s/sha256%c%s", f->path, dir, separator, f->digest.s + 7);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "~~~~", 4, at), 4);
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

/* A disk that forgot: the blob is fetched anew. */
static void test_damaged(void **state)
{
	struct fixture *f = *state;
	static const off_t sizes[] = { SIZE, SIZE - 1, SIZE + 1, 0 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct cache *c = open_cache(f);
		struct err err = ERR_INIT;

		assert_int_equal(fetch(f, c, &err), 0);
		spoil(f, "blobs", '/', SIZE / 2, sizes[i]);
		assert_not_there(f, c);
		assert_int_equal(fetch(f, c, &err), 0);
		assert_whole(f, c);
		cache_close(c);
	}
}

/* The same of a part, which is noticed at its end alone: the second try is from the start. */
static void test_damaged_part(void **state)
{
	struct fixture *f = *state;
	struct cache *c = open_cache(f);
	struct cache_writer *w = begin(f, c);
	struct err err = ERR_INIT;

	write_bytes(f, w, PIECE);
	cache_abandon(w);
	spoil(f, "parts", '-', 10, PIECE);
	assert_int_equal(fetch(f, c, &err), -1);
	assert_int_equal(err.code, ERR_bad_input);
	assert_int_equal(fetch(f, c, &err), 0);
	assert_whole(f, c);
	/* One that is longer than the blob is none of its parts. */
	assert_int_equal(cache_prune(c, &(struct cache_figures){ 0 }, &err), 0);
	w = begin(f, c);
	write_bytes(f, w, PIECE);
	cache_abandon(w);
	spoil(f, "parts", '-', 10, SIZE + 1);
	assert_int_equal(fetch(f, c, &err), 0);
	assert_whole(f, c);
	cache_close(c);
}

/* Whoever could write into the directory could not have others read or overwrite a file. */
static void test_links(void **state)
{
	struct fixture *f = *state;
	struct cache *c = open_cache(f);
	struct cache_writer *w = NULL;
	struct err err = ERR_INIT;
	char path[256];
	int fd = -1;

	snprintf(path, sizeof(path), "%s/blobs/sha256/%s", f->path, f->digest.s + 7);
	assert_int_equal(symlink("/etc/hostname", path), 0);
	assert_int_equal(cache_lookup(c, &f->digest, SIZE, &fd, &err), -1);
	assert_int_equal(fd, -1);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/parts/sha256-%s", f->path, f->digest.s + 7);
	assert_int_equal(symlink("../blobs/sha256/there", path), 0);
	assert_int_equal(cache_begin(c, &f->digest, SIZE, NULL, &fd, &w, &err), -1);
	assert_null(w);
	cache_close(c);
}

/* ---- prune ---- */

static void test_prune(void **state)
{
	struct fixture *f = *state;
	struct cache *c = open_cache(f);
	struct cache_figures freed = { 9, 9 };
	struct err err = ERR_INIT;

	assert_int_equal(cache_prune(c, &freed, &err), 0);
	assert_int_equal(freed.bytes, 0);
	assert_int_equal(freed.blobs, 0);
	assert_int_equal(fetch(f, c, &err), 0);
	assert_int_equal(cache_prune(c, &freed, &err), 0);
	assert_int_equal(freed.bytes, SIZE);
	assert_int_equal(freed.blobs, 1);
	assert_not_there(f, c);
	assert_int_equal(usage(c).blobs, 0);
	assert_int_equal(fetch(f, c, &err), 0);
	assert_whole(f, c);
	cache_close(c);
}

/* A pull at work does not notice: what it has open stays, what it writes goes to its place. */
static void test_prune_beside_fetch(void **state)
{
	struct fixture *f = *state;
	struct cache *c = open_cache(f), *other = open_cache(f);
	struct cache_writer *w = begin(f, c);
	struct cache_figures freed;
	struct err err = ERR_INIT;
	char path[256];
	int fd = -1;

	write_bytes(f, w, PIECE);
	assert_int_equal(usage(other).blobs, 0);
	assert_int_equal(cache_prune(other, &freed, &err), 0);
	assert_int_equal(freed.blobs, 0);
	write_bytes(f, w, SIZE - PIECE);
	assert_int_equal(cache_commit(w, &fd, &err), 0);
	assert_whole(f, c);
	assert_int_equal(cache_prune(other, &freed, &err), 0);
	assert_int_equal(freed.blobs, 1);
	assert_true(is_whole_fd(fd, f));
	close(fd);
	/* Between taking aside and making anew. */
	w = begin(f, c);
	write_bytes(f, w, SIZE);
	snprintf(path, sizeof(path), "%s/blobs/sha256", f->path);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(cache_commit(w, &fd, &err), 0);
	close(fd);
	assert_whole(f, c);
	cache_close(other);
	cache_close(c);
}

static void test_prune_parts(void **state)
{
	struct fixture *f = *state;
	struct cache *c = open_cache(f);
	struct cache_writer *w = begin(f, c);
	struct cache_figures freed;
	struct err err = ERR_INIT;

	write_bytes(f, w, PIECE);
	cache_abandon(w);
	assert_int_equal(cache_prune(c, &freed, &err), 0);
	assert_int_equal(freed.bytes, PIECE);
	assert_int_equal(freed.blobs, 1);
	w = begin(f, c);
	assert_int_equal(cache_writer_at(w), 0);
	cache_abandon(w);
	assert_int_equal(usage(c).blobs, 0);
	cache_close(c);
}

/* ---- several ---- */

static void test_wait_is_cancelled(void **state)
{
	struct fixture *f = *state;
	struct cache *c = open_cache(f);
	struct cache_writer *w = begin(f, c), *second = NULL;
	struct cache_wait wait = { .cancel_fd = eventfd(1, EFD_CLOEXEC) };
	struct err err = ERR_INIT;
	int fd = -1;

	assert_int_equal(cache_begin(c, &f->digest, SIZE, &wait, &fd, &second, &err), -1);
	assert_int_equal(err.code, ERR_cancelled);
	assert_null(second);
	assert_int_equal(fd, -1);
	close(wait.cancel_fd);
	cache_abandon(w);
	cache_close(c);
}

/* How often a child fetched rather than found: a byte each into a pipe. */
static void fetch_and_tell(const struct fixture *f, int pipe_fd)
{
	struct cache *c = open_cache(f);
	struct cache_writer *w = NULL;
	struct err err = ERR_INIT;
	int fd = -1;

	if (cache_begin(c, &f->digest, SIZE, NULL, &fd, &w, &err) < 0)
		_exit(1);
	if (w && write(pipe_fd, "x", 1) != 1)
		_exit(2);
	while (w && cache_writer_at(w) < SIZE)
		if (cache_write(w, f->content + cache_writer_at(w), 1000, &err) < 0)
			_exit(3);
	if (w && cache_commit(w, &fd, &err) < 0)
		_exit(4);
	_exit(is_whole_fd(fd, f) ? 0 : 5);
}

static void test_many_processes_one_fetches(void **state)
{
	struct fixture *f = *state;
	struct cache *c = open_cache(f);
	int p[2], status;
	char buf[16];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	for (int i = 0; i < 8; i++)
		if (fork() == 0)
			fetch_and_tell(f, p[1]);
	close(p[1]);
	for (int i = 0; i < 8; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(read(p[0], buf, sizeof(buf)), 1);
	close(p[0]);
	assert_whole(f, c);
	assert_int_equal(usage(c).blobs, 1);
	cache_close(c);
}

/* Fetchers and prunes at once: nobody fails, all that is given out is right. */
static void test_fetch_and_prune_at_once(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	int status;

	for (int i = 0; i < 6; i++) {
		struct cache *c;
		struct cache_figures freed;
		bool failed = false;

		if (fork() != 0)
			continue;
		c = open_cache(f);
		for (int n = 0; n < 40 && !failed; n++)
			failed = (i < 4 ? fetch(f, c, &err) : cache_prune(c, &freed, &err)) < 0;
		if (failed)
			fprintf(stderr, "%s\n", err.msg);
		_exit(failed);
	}
	for (int i = 0; i < 6; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
}

/* ---- killed, and full ---- */

/* All that a fetcher does; 0 when no call was left for the fault. */
static int life(const struct fixture *f, enum fault kind, int at)
{
	struct cache *c = NULL;
	struct cache_writer *w = NULL;
	struct cache_figures freed;
	struct err err = ERR_INIT;
	int fd = -1;

	fault = kind;
	fault_at = at;
	if (cache_open(open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), &c, &err) < 0)
		return err.code == ERR_no_space ? 1 : 2;
	if (cache_begin(c, &f->digest, SIZE, NULL, &fd, &w, &err) < 0)
		goto failed;
	if (w) {
		if (cache_write(w, f->content, PIECE, &err) < 0) {
			cache_abandon(w);
			goto failed;
		}
		cache_abandon(w);
	}
	if (fetch(f, c, &err) < 0 || cache_prune(c, &freed, &err) < 0 || fetch(f, c, &err) < 0)
		goto failed;
	cache_close(c);
	return calls >= at;
failed:
	cache_close(c);
	return err.code == ERR_no_space ? 1 : 2;
}

/* Whatever the last one left, the next is not held up, gets the right blob, and a prune leaves
 * nothing. */
static void assert_recovers(const struct fixture *f)
{
	struct cache *c = open_cache(f);
	struct cache_figures freed;
	struct err err = ERR_INIT;

	assert_int_equal(fetch(f, c, &err), 0);
	assert_whole(f, c);
	assert_int_equal(cache_prune(c, &freed, &err), 0);
	assert_int_equal(usage(c).blobs, 0);
	assert_int_equal(usage(c).bytes, 0);
	assert_not_there(f, c);
	cache_close(c);
}

/* How many calls there were to fail at. */
static int at_each_call(const struct fixture *f, enum fault kind)
{
	for (int at = 1; at < 500; at++) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			_exit(life(f, kind, at));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (kind == FAULT_FULL)
			assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
		else
			assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL
							: WEXITSTATUS(status) == 0);
		assert_recovers(f);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			return at - 1;
	}
	fail_msg("there is no end of it");
	return 0;
}

static void test_killed_before_each_call(void **state)
{
	assert_true(at_each_call(*state, FAULT_KILL_BEFORE) > 25);
}

static void test_killed_after_each_call(void **state)
{
	assert_true(at_each_call(*state, FAULT_KILL_AFTER) > 25);
}

static void test_disk_full_at_each_call(void **state)
{
	assert_true(at_each_call(*state, FAULT_FULL) > 25);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_fetch_and_find),
		T(test_sha512),
		T(test_empty_blob),
		T(test_resume),
		T(test_restart),
		T(test_wrong_bytes),
		T(test_damaged),
		T(test_damaged_part),
		T(test_links),
		T(test_prune),
		T(test_prune_beside_fetch),
		T(test_prune_parts),
		T(test_wait_is_cancelled),
		T(test_many_processes_one_fetches),
		T(test_fetch_and_prune_at_once),
		T(test_killed_before_each_call),
		T(test_killed_after_each_call),
		T(test_disk_full_at_each_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
