/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A virtual machine monitor, as its driver sees it. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bangerd/wait.h"
#include "common/enums.h"
#include "common/err.h"
#include "common/types.h"

struct host;
struct ipc;
struct vmm_ops;

/* One that lives: its process, and the directory with its sockets. */
struct vmm {
	const struct vmm_ops *ops; /* NULL: none lives */
	uint32_t pid;
	uint64_t start_time;
	int pidfd, rundir;
	uid_t jail_uid; /* whose sockets they must be */
};

#define VMM_INIT                          \
	{                                 \
		.pidfd = -1, .rundir = -1 \
	}

/* What it is told to be. The fds stay the caller's. */
struct vmm_machine {
	vm_id vm;
	uint8_t vcpus;
	uint32_t memory_mib;
	enum accel accel; /* kvm or tcg */
	mac mac;	  /* of the guest's interface */
	int kernel, initramfs, disk;
	int work;			 /* its second disk, a file; -1: none */
	const char *firecracker_version; /* its program's, as banger-netd read it */
	/* A second, 0: no limit. Bytes, operations, bytes in each direction, bytes. Drivers of
	 * VMMs that cannot limit leave them. */
	uint64_t disk_bandwidth, disk_ops, net_bandwidth, console_rate;
};

/*
 * What a driver is. Waits are the caller's: deadline and cancel fd. fds that come back are the
 * caller's, O_NONBLOCK and close-on-exec. Errors, beside what is said below: unavailable when the
 * VMM is gone, protocol when it answers nonsense, timeout, cancelled, operation_failed when it
 * refuses. All but launch may be called for one that was adopted.
 */
struct vmm_ops {
	const char *name;
	enum vmm_kind kind;
	bool stays;	/* when the guest powers itself off */
	unsigned ports; /* that sessions lease, numbered from 1; 0: `stream` gives sessions */

	/* The process, jailed. Its guest does not run, and may not be told of yet. */
	int (*launch)(
		struct ipc *netd, const struct vmm_machine *m, struct vmm *ret, struct err *err);
	/* All that is to be said before the guest runs. */
	int (*configure)(const struct vmm *v, const struct vmm_machine *m, const struct wait *w,
		struct err *err);
	/* The guest runs. */
	int (*start)(const struct vmm *v, const struct wait *w, struct err *err);

	/* What takes longer than a guest should wait for it, after start: what its network needs.
	 * NULL: nothing. */
	int (*attach)(const struct vmm *v, struct ipc *netd, const struct vmm_machine *m,
		struct err *err);

	/* Both succeed when it is so already. */
	int (*pause)(const struct vmm *v, const struct wait *w, struct err *err);
	int (*resume)(const struct vmm *v, const struct wait *w, struct err *err);
	int (*paused)(const struct vmm *v, const struct wait *w, bool *ret, struct err *err);

	/* Ask it to end itself, now, with all written out. Fails with unavailable when it has no
	 * such request. */
	int (*quit)(const struct vmm *v, const struct wait *w, struct err *err);

	/* What the guest writes to its console, and what it reads there: see console_connect(). */
	int (*console)(const struct vmm *v, int *ret_out, int *ret_in, struct err *err);
	/* A fresh connection to the agent's control channel; where that is possible only with a
	 * guest that listens, it is waited for. */
	int (*control)(const struct vmm *v, const struct wait *w, int *ret_fd, struct err *err);
	/* A fresh connection to the agent that becomes a session; NULL with ports. */
	int (*stream)(const struct vmm *v, const struct wait *w, int *ret_fd, struct err *err);
	/* Port 1 … `ports`. One client at a time is served. NULL without. */
	int (*port)(const struct vmm *v, unsigned port, int *ret_fd, struct err *err);
};

extern const struct vmm_ops vmm_qemu, vmm_firecracker;

/* The driver of that kind; NULL for auto. */
const struct vmm_ops *vmm_ops_of(enum vmm_kind kind);

/* One that lives since an earlier run of the daemon. Fails with operation_failed when it is not
 * the process that netd's ledger knows. */
int vmm_adopt(struct ipc *netd, const vm_id *vm, struct vmm *ret, struct err *err);

void vmm_close(struct vmm *v); /* our fds alone; may be called again */
