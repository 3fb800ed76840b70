/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A VM in memory, for the vm_*.c files, and the set of them.
 *
 * Locks, in this order: a VM's own lock (vm_hold.h), held by whoever changes what the VM does;
 * the watches' lock (watch.h); vms->lock, for what is read beside that: the list, references,
 * holders, and of each VM `state`, the row's momentary fields, `vmm`, `gone`, `leasing`,
 * `looked_ms`, `duties`, `disk`, `space_queued`.
 */
#include <pthread.h>
#include <stdbool.h>

#include "bangerd/agent.h"
#include "bangerd/console.h"
#include "bangerd/disk_watch.h"
#include "bangerd/loop.h"
#include "bangerd/store_vm.h"
#include "bangerd/vmm.h"
#include "bangerd/vms.h"
#include "bangerd/watch.h"
#include "bangerd/work.h"

struct call;
struct json_object;
struct vm_hold;

/* What the daemon has to do about a VM by itself. */
enum vm_duty {
	VM_DUTY_ENDED = 1,  /* its VMM ended */
	VM_DUTY_REMOVE = 2, /* its connection is gone, or it was to be removed when it stops */
	VM_DUTY_HALTED = 4, /* its guest says that it powered off, and its VMM stays */
};

struct vm {
	struct vms *vms;
	struct vm *next; /* oldest first */
	unsigned refs;
	/* What it is: constant, but state, last_error, boot_id, started_at, and what vm_set.h
	 * changes (by who holds the VM, and under vms->lock). */
	struct vm_row row;
	uint64_t tether; /* the connection that it is removed with; 0: none */
	bool gone;	 /* deleted: only references are left */
	bool unreleased; /* netd could not take it off the host when it ended (own lock) */

	struct vm_hold *holder, *waiters;

	struct vmm vmm;
	struct watch *ended; /* of vmm.pidfd */
	struct agent *agent; /* as long as the VM is */
	struct console
		*console; /* from when it is first wanted (vm_files.h), as long as the VM is */
	uint32_t leasing; /* ports that a lease is being asked for, by bit */
	unsigned last_port;

	uint64_t looked_ms; /* when its guest was last asked whether it halted; 0: never */

	struct disk_seen disk;	/* disk_watch.c's */
	struct work_item space; /* its duty, when the host is full (vm_space.h) */
	bool space_queued;

	struct work_item duty;
	unsigned duties; /* enum vm_duty, to be done */
	bool duty_queued;
};

struct vms {
	const struct services *services;
	void (*duty_run)(struct work_item *item);
	struct watches *watches;
	struct disk_watch *disks;
	pthread_mutex_t lock;
	struct vm *first, **last;
	struct vm_await *awaits; /* vm_await.h; main thread only */
	unsigned n_awaits;	 /* under the lock, as is: */
	bool await_posted;
	struct loop_task await_task;
	int dir_fd;	    /* state_dir/vms */
	int meminfo_fd;	    /* /proc/meminfo */
	ipv4 dns[2];	    /* for guests */
	uint8_t *last_host; /* per subnet: the octet given last */
	uint32_t names_seed;
	/* What was put right at start, and what was found; constant from then on. */
	char reconciled[256];
	unsigned strays; /* directories that are of no VM */
};

/* ---- the list (vms.c) ---- */

/* The VM that `ref` means to `uid`, with a reference: see vm_resolve.h. */
int vm_find(struct vms *vms, uid_t uid, const char *ref, struct vm **ret, struct err *err);
struct vm *vm_ref(struct vm *vm);
/* References to all of `uid` (0: to all), in *ret, which the caller frees; how many. NULL and 0
 * when there is no memory. */
size_t vms_collect(struct vms *vms, uid_t uid, struct vm ***ret);
void vm_unref(struct vm *vm);
void vm_unrefp(struct vm **vm);
#define _cleanup_vm_ __attribute__((cleanup(vm_unrefp)))

/* A VM of that row (taken) in the list; the list's reference is the caller's to borrow. */
int vm_add(struct vms *vms, struct vm_row *row, struct vm **ret, struct err *err);
/* Out of the list; its reference goes. */
void vm_remove(struct vm *vm);

enum vm_state vm_state(struct vm *vm);
/* Set the state in memory. */
void vm_set_state(struct vm *vm, enum vm_state state);
/* Set state, last_error ("" for none), and save them. In another state than paused there is no
 * paused_why; and a VM that runs has a root disk, which is not to be made any more. */
int vm_save(struct vm *vm, enum vm_state state, const char *last_error, struct err *err);
