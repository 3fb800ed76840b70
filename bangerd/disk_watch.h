/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The watch on what disks take of the host (disk_rule.h says when what is done): one look at the
 * file system at a time, on the loop; a walk over the VMs that run, by a worker, every few seconds,
 * and each time that something is to be done. VMs are paused and resumed by workers of their own.
 */
#include <stdbool.h>
#include <stdint.h>

#include "bangerd/disk_rule.h"
#include "common/err.h"

struct disk_space;
struct disk_watch;
struct reply;
struct vm;
struct vms;
struct work_item;

/* What was last seen of a VM's disk. Under vms->lock. */
struct disk_seen {
	bool seen, based;
	uint64_t taken;		      /* bytes on the host that its files take */
	uint64_t base;		      /* the same when there was room last */
	uint64_t cow_used, cow_total; /* bytes of the file of differences; total 0: it has none */
	bool cow_warned, grew;
	uint64_t asked_ms;  /* wait_now_ms() when device-mapper was asked */
	uint64_t paused_ms; /* wait_now_ms() when it was paused by the watch; 0: before this run */
};

/* Watch the disks of all VMs, once they are reconciled; main thread. `act` (vm_space.h) does what
 * there is to do about the VM whose `space` the item is. */
int disk_watch_begin(struct vms *vms, void (*act)(struct work_item *item), struct err *err);
void disk_watch_stop(struct vms *vms); /* no looks any more; main thread; NULL is allowed */
void disk_watch_end(struct vms *vms);  /* when the workers are done; NULL is allowed */

/* Whether a VM may run, or go on: its disk is there, and the host has room. Fails with no_space, or
 * operation_failed when the disk is lost, and says what to do. Under the VM's own lock. */
int disk_watch_may_run(struct vm *vm, struct err *err);

/* A VM was started, or goes on: what it takes is counted anew. */
void disk_watch_renew(struct vm *vm);

/* What there is to do about a VM now; *ret is what was seen of the host. */
enum disk_action disk_watch_decide(struct vm *vm, struct disk_space *ret);

/* disk_used, cow_used, cow_total, disk_warning of vm.show. Under vms->lock. */
void disk_watch_describe(const struct vm *vm, struct reply *r);

/* state_free, state_total, min_free and space of daemon.status. */
void disk_watch_describe_host(struct vms *vms, struct reply *r);
