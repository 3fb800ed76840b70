/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the fetch program is asked: the messages of common/proto/fetch.tbl.h. */
#include "common/err.h"

struct cache;
struct ipc;

/* Serve one job's messages on ch until it closes. The cache is the caller's; cache_dir is its
 * directory, for what its file system has left. */
int fetch_requests_serve(struct ipc *ch, struct cache *cache, int cache_dir, struct err *err);
