/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Kernels of catalogs. A fetcher (banger-imaged-fetch) brings the file into the owner's cache, and
 * an ordinary worker proves it by the catalog's digest and makes the kernel. Who asks for what
 * another of his requests is pulling waits for that one.
 */
#include <stdbool.h>

#include "bangerd/store_kernel.h"
#include "common/err.h"

struct call;
struct rpc_kernel_pull_in;

/* The request: see rpc.tbl.h. *ret_pulled: the kernel was made now. */
int kernel_pull(struct call *call, const struct rpc_kernel_pull_in *in, struct kernel_row *ret,
	bool *ret_pulled, struct err *err);

/* The caller's kernel, or root's, that was made of the file with this digest: its own before
 * root's, a newer before an older; with a name (NULL: any) the one of that name. 1, 0 or -1. */
int kernel_pull_find(const struct call *call, const digest *d, const char *name,
	struct kernel_row *ret, struct err *err);
