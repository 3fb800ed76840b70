/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Kernels of catalogs, on the way of 'vm run' and 'vm create'. */
#include <stdbool.h>
#include <stddef.h>

#include "banger-cli/cli.h"
#include "banger-cli/client.h"
#include "common/err.h"

/* What that would do: "would pull …" for people, or "" when the kernel is here. */
int pull_kernel_would(struct client *c, const char *kernel, bool may_pull, char *ret, size_t cap,
	struct err *err);

/* The kernel that a VM is to boot, by what its user names (NULL: the newest that is here): when it
 * is not here, one of a catalog is pulled, with progress. *ret (of cap bytes) is the id of what was
 * pulled; "" when nothing was. */
int pull_kernel_for_vm(struct cli *cli, struct client *c, const char *kernel, bool may_pull,
	bool quiet, char *ret, size_t cap, struct err *err);
