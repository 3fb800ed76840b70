/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdbool.h>

#include "banger-netd/config.h"
#include "banger-netd/jail.h"
#include "banger-netd/vmm_log.h"
#include "common/proto_launch.h"

/* QEMU's child in its jail, which waits for jail_go(): the sockets of the VM are bound in
 * in->rundir by then. `binary` is executed; the fds of `in` stay the caller's. On failure no
 * process is left; what is in the run directory goes with it. */
int launch_qemu(const struct netd_config *config, int binary, const struct launch_qemu_spawn_in *in,
	bool kvm, struct jail_child *ret, struct vmm_log *ret_log, struct err *err);
