/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A directory of finished files ("ID.SUFFIX") below the state directory, with `staging` in it for
 * those that are being made. A file is on the disk whole before it has its name.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/types.h"

struct blobs {
	int dirfd, staging_fd;
};
#define BLOBS_INIT     \
	{              \
		-1, -1 \
	}

/* Open or make it, and empty `staging`. */
int blobs_open(int state_fd, const char *name, struct blobs *ret, struct err *err);
void blobs_close(struct blobs *b);

/* A file being made. */
struct blob {
	const struct blobs *blobs;
	char name[64]; /* in staging; "" when it is published or gone */
	int fd;	       /* open for reading and writing */
};
#define BLOB_INIT        \
	{                \
		.fd = -1 \
	}

/* `op` keeps the names of requests apart. */
int blob_begin(
	const struct blobs *b, uint64_t op, const char *suffix, struct blob *ret, struct err *err);
/* One without a name, for what is needed while another is made. */
int blob_scratch(const struct blobs *b, uint64_t op, int *ret_fd, struct err *err);
/* Sync it, and give it its name (in the place of an older file). */
int blob_publish(struct blob *b, const vm_id *id, const char *suffix, struct err *err);
/* Remove what was not published, for _cleanup_. */
void blob_end(struct blob *b);

/* Make names that were given or taken away last. */
int blobs_sync(const struct blobs *b, struct err *err);

/* A finished file under a second id. */
int blobs_link(const struct blobs *b, const vm_id *from, const vm_id *to, const char *suffix,
	struct err *err);

int blobs_open_file(
	const struct blobs *b, const vm_id *id, const char *suffix, int *ret_fd, struct err *err);
/* The same of one that was made with `size` bytes; fails with bad_input when it has others, or when
 * it has no data at all. */
int blobs_open_whole(const struct blobs *b, const vm_id *id, const char *suffix, uint64_t size,
	int *ret_fd, struct err *err);
/* No file is success. */
int blobs_remove(const struct blobs *b, const vm_id *id, const char *suffix, struct err *err);

/* Remove every file whose id `keep` does not know (1: keep, 0: remove, -1: give up). */
typedef int (*blobs_keep)(void *ctx, const vm_id *id, struct err *err);
int blobs_sweep(const struct blobs *b, blobs_keep keep, void *ctx, struct err *err);

/* Fails with no_space when the file system would have less than `leave` bytes free after `need`
 * more; the message says how much there is. */
int blobs_check_space(const struct blobs *b, uint64_t need, uint64_t leave, struct err *err);
