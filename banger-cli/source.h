/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A directory that the user named, served to a worker that must not read the user's files itself
 * (common/proto/source.tbl.h): the worker asks for regular files beneath it by name, and they are
 * opened here, with the user's rights, through no symlink and never outside. What the worker asks
 * is hostile input.
 */
#include "banger-cli/client.h"
#include "common/err.h"

struct source;

/* Serve `path`. *ret_peer is the end to hand to the daemon, the caller's. */
int source_open(const char *path, struct source **ret, int *ret_peer, struct err *err);
void source_close(struct source *s); /* NULL is allowed */
void source_closep(struct source **s);
#define _cleanup_source_ __attribute__((cleanup(source_closep)))

/* For client_wait(): answers requests; ends by itself when the worker is done, and does not fail
 * for what a worker does. Lives as long as the source. */
struct watch source_watch(struct source *s);
