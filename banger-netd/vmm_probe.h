/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdint.h>
#include <sys/types.h>

#include "banger-netd/vmm_binary.h"
#include "common/err.h"
#include "common/types.h"

/* A VMM's program and its version. */
struct vmm_probe {
	struct vmm_binary binary; /* fd -1: there is none that is fit */
	pid_t pid;		  /* `--version` at work, or 0 */
	int pipe;		  /* its output, or -1 */
	text version;		  /* "7.2.22 (Debian 1:7.2+…)", "1.16.1", "" when not known */
	text problem;		  /* why there is no binary, and what to do */
};

#define VMM_PROBE_INIT                                \
	{                                             \
		.binary = VMM_BINARY_INIT, .pipe = -1 \
	}

/* QEMU: open the program and start to ask its version, as `uid`. That there is none is no failure:
 * p->problem says so. */
void qemu_probe_start(struct vmm_probe *p, const char *path, uid_t uid);

/* Wait for the version, for a few seconds at most. One that does not say it is a QEMU still. */
void qemu_probe_finish(struct vmm_probe *p);

/* Firecracker, in the same way; in the two places where people put it when `path` is the setting's
 * default. One that is too old, or does not say what it is, is closed again. */
void firecracker_probe_start(struct vmm_probe *p, const char *path, uid_t uid);
void firecracker_probe_finish(struct vmm_probe *p);

/* End it and close the program. */
void vmm_probe_cancel(struct vmm_probe *p);
