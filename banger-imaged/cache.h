/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * One owner's cache of blobs, by their digests:
 *
 *   blobs/ALGORITHM/HEX    whole ones; put there by rename, never written again
 *   parts/ALGORITHM-HEX    what is being fetched, or was when its fetcher ended; who writes holds
 * its (open file description's) lock gone-RANDOM/           blobs that a prune took aside, to be
 * removed
 *
 * A blob is given out only after its digest was computed: while it was written, or, of one that was
 * there, now. So nothing is synced: what a power cut tore is found, and fetched anew. Processes and
 * threads may share a directory; a kill at any point leaves a part that somebody goes on with, or
 * leftovers that the next prune takes away. A `struct cache` may be used by several
 * threads, a writer by one at a time.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/types.h"

struct cache;
struct cache_writer;

/* Takes dirfd (also on failure), an open directory that is the cache's alone, and makes what is
 * missing in it. */
int cache_open(int dirfd, struct cache **ret, struct err *err);
void cache_close(struct cache *c); /* NULL is allowed; writers are gone by then, fds stay good */

#define CACHE_ANY_SIZE UINT64_MAX /* of a lookup: it is not known */

/* A whole blob, read-only, its digest computed just now; the fd becomes the caller's. not_found
 * when it is not there. One of another size or digest is removed, and not there. */
int cache_lookup(struct cache *c, const digest *d, uint64_t size, int *ret_fd, struct err *err);

/* How to wait for somebody else who fetches the same blob. */
struct cache_wait {
	int cancel_fd;				   /* readable: fail with cancelled; -1 for none */
	void (*waiting)(void *ctx, uint64_t done); /* now and then: bytes that they have; or NULL */
	void *ctx;
};

/*
 * Either the blob is whole (maybe after a wait): *ret_fd is it, read-only, and *ret is NULL; or
 * the caller is to fetch it: *ret is its writer, *ret_fd is -1, and cache_writer_at() says how much
 * is there already from an earlier try. `wait` may be NULL.
 */
int cache_begin(struct cache *c, const digest *d, uint64_t size, const struct cache_wait *wait,
	int *ret_fd, struct cache_writer **ret, struct err *err);

/* Bytes that are there: the next byte to fetch. */
uint64_t cache_writer_at(const struct cache_writer *w);

/* Throw away what is there: the next byte is the first (the server ignored a range, or what was
 * there from an earlier try turned out to be no part of this blob). */
int cache_restart(struct cache_writer *w, struct err *err);

/* The next n bytes. bad_input when they are more than the blob has, no_space when the disk is full;
 * nothing of these n counts then. */
int cache_write(struct cache_writer *w, const void *p, size_t n, struct err *err);

/*
 * All bytes were written: compare size and digest, and put the blob in its place. Takes w in every
 * case. *ret_fd is the blob, read-only. bad_input when it is not what its digest says: nothing of
 * it stays then (a part from an earlier try may be to blame: worth one more try from the start).
 */
int cache_commit(struct cache_writer *w, int *ret_fd, struct err *err);

/* Give up for now: what is there stays for the next who begins. NULL is allowed. */
void cache_abandon(struct cache_writer *w);

struct cache_figures {
	uint64_t bytes;
	uint64_t blobs; /* whole ones and parts */
};

/* What a prune would free now: all but what somebody is fetching. */
int cache_usage(struct cache *c, struct cache_figures *ret, struct err *err);

/* Remove every blob and every part that nobody is fetching. Fds that were given out stay good, and
 * a fetch that goes on is put in its place when it is whole. */
int cache_prune(struct cache *c, struct cache_figures *ret, struct err *err);
