/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What a VMM writes to stdout and stderr: a pipe that never makes it wait and keeps what fits
 * (64 KiB, pipe(7)); once the VMM is dead, launch puts that into the VM's vmm.log. */
#include <sys/types.h>

#include "common/err.h"

struct vmm_log {
	int pipe; /* reading end, or -1 */
	int file;
};

#define VMM_LOG_INIT                   \
	{                              \
		.pipe = -1, .file = -1 \
	}

/* Make rundir/vmm.log (root:group, 0640) and the pipe; *ret_writer is the VMM's end. */
int vmm_log_open(int rundir, gid_t group, struct vmm_log *ret, int *ret_writer, struct err *err);
void vmm_log_finish(struct vmm_log *log);

/* Write what is in the pipe into the file, and be done with both. */
void vmm_log_save(struct vmm_log *log);
