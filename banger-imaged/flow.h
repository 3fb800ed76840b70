/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Bytes that come piece by piece. */
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct flow {
	/* The next piece, valid until the next call; *ret_n 0 is the end, now and ever after. */
	int (*next)(struct flow *s, const uint8_t **ret_p, size_t *ret_n, struct err *err);
	/* Leave out the next n bytes; NULL where they can only be read. A stream that ends before
	 * says so at the next piece. */
	int (*skip)(struct flow *s, uint64_t n, struct err *err);
};

/* A stream over bytes in memory (which must live as long). */
struct memory_flow {
	struct flow flow;
	const uint8_t *p;
	size_t n;
};
void memory_flow_init(struct memory_flow *m, const void *p, size_t n);

/* A flow over a part of a regular file, which can be skipped in. The fd stays the caller's. */
#define FILE_FLOW_BUF 65536
struct file_flow {
	struct flow flow;
	int fd;
	uint64_t at, end;
	uint8_t buf[FILE_FLOW_BUF];
};
void file_flow_init(struct file_flow *f, int fd, uint64_t at, uint64_t n);
