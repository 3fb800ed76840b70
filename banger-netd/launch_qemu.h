/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdbool.h>

#include "banger-netd/config.h"
#include "banger-netd/procs.h"
#include "common/proto_launch.h"

/* The jail, sockets, log and command line of a QEMU, and QEMU in it. Fills p's pid, start_time,
 * pidfd and log. On failure no process is left; what was made in the run directory stays netd's to
 * remove. */
int launch_qemu(const struct netd_config *config, int binary, const struct launch_qemu_spawn_in *in,
	bool kvm, struct proc *p, struct err *err);
