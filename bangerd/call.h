/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * One RPC request on its way through the daemon. rpc.c has read it, decoded it by the table and
 * authorized it; a handler, one for each METHOD of common/proto/rpc.tbl.h, does it:
 *
 *   int rpc_IDENT(struct call *call, struct rpc_IDENT_in *in, struct json_object **ret_result,
 *           struct err *err);
 *
 * `in` is proven; fds in it that the handler does not take with TAKE_FD are closed. *ret_result
 * becomes the caller's; left NULL it stands for {}.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "common/rpc_types.h"

struct json_object;
struct settings;
struct store;
struct work;
struct operations;
struct operation;
struct images;
struct kernels;
struct pulls;
struct vm;
struct vms;
struct loop;
struct ipc;
struct host;

/* The daemon's concerns, siblings, made once at start. */
struct services {
	const struct settings *settings;
	const struct host *host;
	struct loop *loop;
	struct ipc *netd, *imaged;
	struct ipc *fetch; /* banger-imaged's fetchers */
	int state_fd;	   /* the state directory */
	const char *socket_path;
	int64_t started_ms; /* CLOCK_MONOTONIC */
	struct store *store;
	struct work *work;
	struct operations *operations;
	struct images *images;
	struct pulls *pulls;
	struct kernels *kernels;
	struct vms *vms;
};

struct call {
	const struct services *services;
	uid_t uid; /* the peer's, by SO_PEERCRED */
	pid_t pid;
	uint64_t op;	     /* in logs, errors, and requests to helpers */
	uint64_t connection; /* never reused in a run of the daemon */
	int cancel_fd;	     /* readable once the client is gone or the daemon ends; -1: inline */
	int reply_fd;	     /* rides with the response; closed once sent; -1 for none */
};

/* True when the caller may see and handle what `owner` owns: the owner, and root. */
static inline bool call_sees(const struct call *call, uid_t owner)
{
	return call->uid == 0 || call->uid == owner;
}

/* Send a `progress` notification for this request, when the client asked for them ("progress":
 * true beside "params"); from any thread; never blocks, never fails: a client that does not read
 * loses them. `index` of `count` stages (from 1; 0: not known), `done` of `total` (0: not known).
 */
void call_progress(struct call *call, const char *stage, unsigned index, unsigned count,
	uint64_t done, uint64_t total);

/* For methods of class stream, whose handler returns 0 without a result: send `progress`
 * notifications of the operation until it ends, and then answer with its description. Takes the
 * reference. */
void call_watch(struct call *call, struct operation *o);

/* The same: answer with {"vm": …} once the VM is not paused any more, or else does not run any more
 * (vm_await.h). Takes the reference. */
void call_await(struct call *call, struct vm *vm, bool paused);

#define METHOD(ident, name, class, access, doc)                         \
	int rpc_##ident(struct call *call, struct rpc_##ident##_in *in, \
		struct json_object **ret_result, struct err *err);
#include "common/proto/rpc.tbl.h"
