/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What goes on by itself after its request was answered (vm.create…): who may see it, how far it
 * is, how it ended. Ended ones are kept for an hour, 128 of an owner, 1,024 in all.
 * All functions but those of watchers may be called from any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bangerd/loop.h"
#include "common/err.h"
#include "common/types.h"

struct json_object;
struct operations;
struct operation;

#define OPERATION_STAGES    32 /* of one operation; later ones are not kept */
#define OPERATION_STAGE_MAX 47

enum operation_state { OPERATION_RUNNING, OPERATION_DONE, OPERATION_FAILED, OPERATION_CANCELLED };

int operations_create(struct loop *loop, struct operations **ret, struct err *err);
void operations_destroy(struct operations *ops); /* none may run; NULL is allowed */

/* A running operation of `owner`; `kind` ("vm.create") is a literal. The reference is the
 * caller's. Fails with quota_exceeded when the owner has 64 running. */
int operation_begin(struct operations *ops, uid_t owner, const char *kind, struct operation **ret,
	struct err *err);
void operation_unref(struct operation *o); /* NULL is allowed */

/* The VM it is about; once, before others see it. */
void operation_set_vm(struct operation *o, const vm_id *id, const vm_name *name);

/* 16 hex digits, and the same as a number: the `op` for logs and helpers. */
const char *operation_name(const struct operation *o);
uint64_t operation_id(const struct operation *o);

/* Stage `index` (from 1) of `count` begins. */
void operation_stage(struct operation *o, const char *stage, unsigned index, unsigned count);

/* It ended: well (why NULL), cancelled (why->code is ERR_cancelled), or failed. Once. */
void operation_end(struct operation *o, const struct err *why);

/* Readable once somebody cancelled it; the operation's own, and closed by its end, after which to
 * cancel it does nothing. */
int operation_cancel_fd(const struct operation *o);
void operation_cancel(struct operation *o);

/* ---- as clients see them; `uid` 0 sees all, others their own, else not_found ---- */
int operations_find(struct operations *ops, uid_t uid, const char *name, struct operation **ret,
	struct err *err);
int operation_describe(struct operation *o, struct json_object **ret, struct err *err);
int operations_list(struct operations *ops, uid_t uid, struct json_object **ret, struct err *err);
int operations_cancel(struct operations *ops, uid_t uid, const char *name, struct err *err);
/* Cancel every one that runs: the daemon ends. */
void operations_cancel_all(struct operations *ops);

/* How far an operation is, copied. */
struct operation_view {
	const char *name;
	enum operation_state state;
	const char *stage; /* "" before the first */
	unsigned index, count;
	uint64_t done, total;
};

/* Who watches one; main thread only. `changed` sees every stage once; `ended` is the last call: the
 * watcher is off the list then. */
struct operation_watcher {
	void (*changed)(struct operation_watcher *w, const struct operation_view *view);
	void (*ended)(struct operation_watcher *w, struct operation *o);

	struct operation *operation; /* operations.c's own from here */
	struct operation_watcher *next;
	unsigned stages_seen;
};

/* `ended` may come at once when it has ended already: then from the loop, not from here. */
void operation_watch(struct operation *o, struct operation_watcher *w);
void operation_unwatch(struct operation_watcher *w); /* harmless when it is off the list */
