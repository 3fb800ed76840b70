/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A virtual machine monitor, as its driver sees it. */
#include <stdint.h>

#include "bangerd/wait.h"
#include "common/enums.h"
#include "common/err.h"
#include "common/types.h"

struct host;
struct ipc;
struct vmm_ops;

/* One that runs: its process, and the directory with its sockets. */
struct vmm {
	const struct vmm_ops *ops; /* NULL: none runs */
	uint32_t pid;
	uint64_t start_time;
	int pidfd, rundir;
};

#define VMM_INIT                          \
	{                                 \
		.pidfd = -1, .rundir = -1 \
	}

void vmm_close(struct vmm *v); /* our fds alone; may be called again */

struct vmm_machine {
	vm_id vm;
	uint8_t vcpus;
	uint32_t memory_mib;
	enum accel accel; /* kvm or tcg */
	int kernel, initramfs, disk;
};

/* Waits are the caller's: deadline and cancel fd. */
struct vmm_ops {
	const char *name;
	unsigned ports; /* of the agent's channel: 0 is control, 1 … ports are leased */

	/* Fails with unavailable, naming what to install, when this host cannot run it. */
	int (*probe)(const struct host *host, struct err *err);
	/* The machine, jailed; its guest does not run yet. */
	int (*launch)(
		struct ipc *netd, const struct vmm_machine *m, struct vmm *ret, struct err *err);
	/* One that lives since an earlier run of the daemon. */
	int (*adopt)(struct ipc *netd, const vm_id *vm, struct vmm *ret, struct err *err);
	/* Let the guest run. */
	int (*resume)(const struct vmm *v, const struct wait *w, struct err *err);
	/* Ask it to end itself, now. */
	int (*quit)(const struct vmm *v, const struct wait *w, struct err *err);
	/* Connected sockets, O_NONBLOCK. One client at a time is served. */
	int (*console)(const struct vmm *v, int *ret_fd, struct err *err);
	int (*port)(const struct vmm *v, unsigned port, int *ret_fd, struct err *err);
};

extern const struct vmm_ops vmm_qemu;
