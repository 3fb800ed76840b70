/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdbool.h>

#include "common/err.h"

/* A VMM's program: opened once, executed by its fd. */
struct vmm_binary {
	int fd;
	bool interpreted; /* it names a dynamic loader (PT_INTERP, elf(5)): it needs libraries */
};

#define VMM_BINARY_INIT  \
	{                \
		.fd = -1 \
	}

/*
 * Open the program at an absolute path, if nobody but root can have put it there, or can change it:
 * a regular file of root's that others may execute and not write, for this machine. So must be what
 * leads to it: directories of root's that others cannot write (or that are sticky, like /tmp), and
 * links of root's in these. Fails with not_found when there is none, unavailable when it is unfit:
 * the message says what is to be done.
 */
int vmm_binary_open(const char *path, struct vmm_binary *ret, struct err *err);
void vmm_binary_close(struct vmm_binary *b);
