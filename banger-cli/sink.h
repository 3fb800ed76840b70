/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Standard output and error as something to write to without ever waiting: what cannot be written
 * now is waited for by poll, beside signals. The flags of what others share stay as they are. */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct sink {
	int fd;
	bool own;    /* fd is our own, non-blocking opening of the same pipe */
	bool small;  /* only so much at a time as a poll promises to take */
	bool closed; /* nobody reads any more: what comes is dropped */
};

void sink_init(struct sink *s, int fd);
void sink_finish(struct sink *s);

/* Write some of n bytes, once poll has said POLLOUT: how many, 0 for none now. A sink that closes
 * takes all. -1 with errno for other failures (a full disk). */
ssize_t sink_write(struct sink *s, const void *p, size_t n);
