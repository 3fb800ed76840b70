/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "common/types.h"

/* The QEMU binary and its version. */
struct qemu_probe {
	int binary;   /* O_PATH, or -1 */
	pid_t pid;    /* `--version` at work, or 0 */
	int pipe;     /* its output, or -1 */
	text version; /* "7.2.22 (Debian 1:7.2+…)", "" when not known */
	text problem; /* why there is no binary */
};

/* Open the binary (root's, a regular file, nobody else may write it) and start to ask its version,
 * as `uid`. That there is none is no failure: p->problem says so. */
void qemu_probe_start(struct qemu_probe *p, const char *path, uid_t uid);

/* Wait for the version, for a few seconds at most. */
void qemu_probe_finish(struct qemu_probe *p);

/* End it and close the binary. */
void qemu_probe_cancel(struct qemu_probe *p);
