/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* All VMs, in memory and in the store: what main.c and the connections see of them. */
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

struct services;
struct vms;
struct work_item;

/* Reads the rows, and the host's resolvers. `services` (settings, store, work, images, kernels,
 * operations, loop, netd, host, state_fd) must outlive the VMs. `duty_run` (vm_duty.h) is what a
 * worker does when a VMM ended or a connection is gone. */
int vms_create(const struct services *services, void (*duty_run)(struct work_item *item),
	struct vms **ret, struct err *err);

/* Once, before requests are served: compare rows, netd's ledger and directories, take over VMs
 * that run, and finish or undo what a crash left. Fails only when the store or netd does. */
int vms_reconcile(struct vms *vms, struct err *err);

/* The connection is gone: its auto_remove VMs are to be deleted. Main thread; does not wait. */
void vms_connection_closed(struct vms *vms, uint64_t connection);

/* What vms_reconcile() did, in one line. */
const char *vms_reconciled(const struct vms *vms);

/* Whether it found directories of VMs that the database does not know: it is older than they are.
 */
bool vms_has_strays(const struct vms *vms);

/* How many VMs `uid` sees (0: all), and how many of them run. */
void vms_count(struct vms *vms, uid_t uid, unsigned *ret_all, unsigned *ret_running);

/* When the workers are done. VMs that run stay. NULL is allowed. */
void vms_destroy(struct vms *vms);
