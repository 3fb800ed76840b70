/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Bytes of an fd: a part of a regular file, or a pipe from its beginning to its end. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "banger-imaged/hash.h"
#include "common/err.h"

struct input {
	int fd; /* not owned */
	bool sequential;
	uint64_t at, end;  /* of a file; `at` counts a pipe's bytes as well */
	struct hash *hash; /* all that is read goes in there; NULL: none */
	int stop_fd;	   /* ends the wait for a pipe when it becomes readable; -1: none */
};

void input_range(struct input *in, int fd, uint64_t at, uint64_t n);
void input_pipe(struct input *in, int fd, int stop_fd);

/* Up to cap bytes; *ret_n 0 at the end. A file that became shorter than it was is bad_input. */
int input_read(struct input *in, void *buf, size_t cap, size_t *ret_n, struct err *err);
