/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Rows of VMs: what a VM is. What is true of it now (pid, sockets) is in vms.h. */
#include <sys/types.h>

#include "bangerd/store.h"
#include "common/enums.h"

/* In the database by name. The first four last; of the others a restart makes an end. */
enum vm_state {
	VM_STOPPED,
	VM_RUNNING,
	VM_CREATING, /* no file of it need be whole */
	VM_DELETING, /* no file of it need be there */
	VM_STARTING,
	VM_STOPPING,
	VM_PAUSED, /* a restart asks the VMM */
	VM_STATE__count
};

const char *vm_state_name(enum vm_state s);

#define MADE_UNKNOWN UINT64_MAX

struct vm_row {
	vm_id id;
	vm_name name;
	uid_t owner;
	vm_id image_id, kernel_id;
	ref_name image_name, kernel_name; /* of those rows: read, not written */
	uint8_t vcpus;
	uint32_t memory_mib;
	uint64_t disk_size; /* of the root disk, bytes */
	uint64_t work_size; /* of the work disk, bytes; 0: none */
	/* As large as they were made, or grown, and are on the host's disk since; 0: nobody has
	 * written to it yet, MADE_UNKNOWN: by a banger that did not note it. */
	uint64_t disk_made, work_made;
	bool remake;	     /* its root disk is to be made of its image anew, by the next start */
	enum disk_kind disk; /* as it was made: never auto */
	bool nat, auto_remove;
	enum vmm_kind vmm; /* as asked for */
	enum accel accel;  /* as asked for */
	enum guest_mode mode;
	strv argv, env; /* as asked for, beside the image's; the row's own */
	text user, directory;
	uint16_t subnet;
	uint8_t host;
	mac mac;
	enum vm_state state;
	text last_error, boot_id, vmm_why; /* of the last start */
	text paused_why;		   /* by the daemon itself; "": by a user, or not paused */
	bool disk_lost;			/* its root disk cannot be read any more (disk_watch.h) */
	bool disk_gone, work_gone;	/* when a disk's file was last looked at (vm_lost.h) */
	int64_t started_at, created_at; /* seconds since the epoch; 0: never */
};

void vm_row_finish(struct vm_row *r); /* for _cleanup_; harmless on a zeroed one */

/* Inside a transaction. Fails with already_exists when the owner has one of that name. */
int store_vm_insert(struct store *s, const struct vm_row *r, struct err *err);
/* Inside a transaction; none is fine. */
int store_vm_delete(struct store *s, const vm_id *id, struct err *err);

/* A transaction of its own: the row's state, last_error, boot_id, vmm_why, started_at, paused_why,
 * disk_lost, remake, and what was made and is gone of its disks. */
int store_vm_save_state(struct store *s, const struct vm_row *r, struct err *err);

/* A transaction of its own: what a machine it is: vcpus, memory_mib, disk_size, work_size, nat,
 * image_id, kernel_id, remake, disk_lost, and what was made and is gone of its disks. Fails with
 * busy when image or kernel is gone. */
int store_vm_save_machine(struct store *s, const struct vm_row *r, struct err *err);

/* Call `each` with every VM, oldest first, until it returns non-zero, which is returned (-1: it
 * filled err). `each` may take the row (and zero it); else it is gone afterwards. */
typedef int (*store_vm_each)(void *ctx, struct vm_row *r, struct err *err);
int store_vm_list(struct store *s, store_vm_each each, void *ctx, struct err *err);
