/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Which kernel `kernel import` takes, and which modules belong to it. */
#include <limits.h>

#include "common/err.h"

struct host_kernel {
	char kernel[PATH_MAX];
	char modules[PATH_MAX]; /* "": none, or inside the kernel's package */
};

/*
 * `kernel` NULL: the host's packaged kernel: the running one when ROOT/boot/vmlinuz-VERSION and
 * ROOT/lib/modules/VERSION are there, else the newest of which both are. `modules` NULL:
 * ROOT/lib/modules/VERSION for a file vmlinuz-VERSION, when it is there. `root` is "" save in
 * tests. Fails with not_found.
 */
int host_kernel_choose(const char *root, const char *kernel, const char *modules,
	struct host_kernel *ret, struct err *err);
