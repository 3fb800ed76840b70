/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The VMM processes that launch started or adopted, by VM. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "banger-netd/vmm_log.h"
#include "common/err.h"
#include "common/types.h"

struct proc {
	vm_id vm;
	pid_t pid;
	uint64_t start_time;
	int pidfd;
	int gate;   /* of a child that waits to become the VMM (jail.h), else -1 */
	bool child; /* ours to reap */
	bool reaped;
	uint32_t status; /* as waitpid(2) gives it, once reaped */
	struct vmm_log log;
};

struct procs {
	struct proc *p;
	size_t n, cap;
};

/* Takes p's fds on success. A VM has one process: an older entry of it is replaced. */
int procs_add(struct procs *ps, const struct proc *p, struct err *err);
struct proc *procs_find(struct procs *ps, vm_id vm); /* NULL: none */
void procs_remove(struct procs *ps, vm_id vm);	     /* closes its fds; none is fine */
void procs_finish(struct procs *ps);

void proc_finish(struct proc *p); /* closes its fds */

/* Field 22 of /proc/PID/stat (proc(5)); fails with not_found when there is no such process. */
int proc_start_time(pid_t pid, uint64_t *ret, struct err *err);

/* True when the process of a pidfd is dead (reaped or not). */
bool proc_dead(int pidfd);

/* Collect the exit status of a dead child; harmless for others. */
void proc_reap(struct proc *p);
